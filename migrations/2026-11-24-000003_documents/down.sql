DROP TABLE event_cities, events, claims, sources;
