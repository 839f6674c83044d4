DROP TABLE refresh_tokens, sessions, user_regions, users;
