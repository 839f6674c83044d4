-- The answer that carries the next token may be lost on a network that is being cut; the token before it may then be
-- handed in once more, and what was lost is replaced.
ALTER TABLE refresh_tokens ADD COLUMN replaced boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN refresh_tokens.replaced IS 'never used: the token before it was handed in again; whoever shows it now gives a theft away';
