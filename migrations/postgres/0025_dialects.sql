-- How a channel's upstream speaks, where its platform has several ways; NULL: as the platform does by itself.
ALTER TABLE channels ADD COLUMN dialect TEXT;
