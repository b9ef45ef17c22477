-- A digest of the address and the key of the channel that the request was last sent to. NULL: it was not
-- sent, surely did not arrive, or was sent by a program of the version before.
-- In the stage 'sending' without a claim, the outcome of the last submit is unknown, and the channel takes
-- the same request again.
ALTER TABLE unfinished_tasks ADD COLUMN sent_to INTEGER;
