-- Who buys and writes. An identity is a whole phone or a person's id in a channel; identities with
-- one customer_id are one customer, who is called by the oldest of their ids. channel is the one in which
-- it was first seen.
CREATE TABLE customer_identity (
    id           TEXT    NOT NULL CONSTRAINT customer_identity_pk PRIMARY KEY,
    key          TEXT    NOT NULL CONSTRAINT customer_identity_key UNIQUE,
    customer_id  TEXT    NOT NULL,
    channel      TEXT    NOT NULL,
    shared       INTEGER NOT NULL DEFAULT 0,
    name         TEXT,
    name_at      INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX customer_identity_customer ON customer_identity (customer_id);

-- A person's id and a phone in one document: the first one that had both.
CREATE TABLE customer_binding (
    user_id      TEXT    NOT NULL REFERENCES customer_identity (id),
    phone_id     TEXT    NOT NULL REFERENCES customer_identity (id),
    order_id     TEXT,
    message_seq  INTEGER,
    at           INTEGER NOT NULL,
    CONSTRAINT customer_binding_pk PRIMARY KEY (user_id, phone_id)
) STRICT;
CREATE INDEX customer_binding_phone ON customer_binding (phone_id, user_id);

-- Customers that became one, and those that stand alone again, with the binding that did it.
CREATE TABLE customer_merge (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    kind         TEXT    NOT NULL CONSTRAINT customer_merge_kind_known CHECK (kind IN ('merged', 'parted')),
    from_id      TEXT    NOT NULL REFERENCES customer_identity (id),
    into_id      TEXT    NOT NULL REFERENCES customer_identity (id),
    user_id      TEXT    NOT NULL REFERENCES customer_identity (id),
    phone_id     TEXT    NOT NULL REFERENCES customer_identity (id),
    order_id     TEXT,
    message_seq  INTEGER,
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX customer_merge_from ON customer_merge (from_id, seq);
CREATE INDEX customer_merge_into ON customer_merge (into_id, seq);

-- Every word on consent, for good; the latest one of a channel counts.
CREATE TABLE customer_consent (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    identity_id  TEXT    NOT NULL REFERENCES customer_identity (id),
    channel      TEXT    NOT NULL,
    state        TEXT    NOT NULL CONSTRAINT customer_consent_state_known CHECK (state IN ('granted', 'withdrawn')),
    source       TEXT    NOT NULL CONSTRAINT customer_consent_source_known CHECK (source IN ('channel', 'staff')),
    actor        TEXT,
    reason       TEXT,
    message_seq  INTEGER,
    at           INTEGER NOT NULL,
    recorded_at  INTEGER NOT NULL,
    CONSTRAINT customer_consent_once UNIQUE (identity_id, channel, at, source, state),
    CONSTRAINT customer_consent_who CHECK ((source = 'staff') = (actor IS NOT NULL))
) STRICT;

-- What a customer is found by: keyed hashes of name words, and further channels. Without a reference to
-- the identity, which was written a statement before and is never deleted: the check of it, four times
-- for every new buyer, is a third of what this table costs.
CREATE TABLE customer_term (
    term         TEXT    NOT NULL,
    identity_id  TEXT    NOT NULL,
    CONSTRAINT customer_term_pk PRIMARY KEY (term, identity_id)
) STRICT, WITHOUT ROWID;

-- The identity that an order or a conversation belongs to. It stays when customers become one.
ALTER TABLE orders ADD COLUMN customer_id TEXT;
CREATE INDEX orders_customer ON orders (customer_id, placed_at) WHERE customer_id IS NOT NULL;
ALTER TABLE conversation ADD COLUMN customer_id TEXT;
CREATE INDEX conversation_customer ON conversation (customer_id, updated_at) WHERE customer_id IS NOT NULL;
