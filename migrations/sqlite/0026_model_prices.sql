-- What tasks cost that name a model: such a price counts instead of that of the action in `prices`.
CREATE TABLE model_prices (
    platform TEXT    NOT NULL,
    action   TEXT    NOT NULL,
    model    TEXT    NOT NULL,
    quota    INTEGER NOT NULL CHECK (quota >= 0),
    PRIMARY KEY (platform, action, model)
) WITHOUT ROWID;
