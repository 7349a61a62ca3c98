-- Times are milliseconds since 1970 UTC. Ids with a prefix are text; counters are integers.

CREATE TABLE message (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel      TEXT    NOT NULL,
    dedup_key    TEXT    NOT NULL,
    source       TEXT    NOT NULL CONSTRAINT message_source_known CHECK (source IN ('push', 'poll')),
    topic        TEXT,
    body         BLOB,
    body_hash    TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    pruned_at    INTEGER,
    CONSTRAINT message_dedup UNIQUE (channel, dedup_key)
) STRICT;
CREATE INDEX message_received ON message (received_at);

CREATE TABLE message_conflict (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    message_seq  INTEGER NOT NULL REFERENCES message (seq),
    body         BLOB,
    body_hash    TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    CONSTRAINT message_conflict_once UNIQUE (message_seq, body_hash)
) STRICT;

CREATE TABLE receipt (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel      TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    message_seq  INTEGER NOT NULL,
    outcome      TEXT    NOT NULL CONSTRAINT receipt_outcome_known CHECK (outcome IN ('new', 'duplicate', 'conflict'))
) STRICT;
CREATE INDEX receipt_message ON receipt (message_seq);

CREATE TABLE notice (
    message_seq  INTEGER NOT NULL REFERENCES message (seq),
    ordinal      INTEGER NOT NULL,
    channel      TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    key          TEXT,
    state        TEXT    NOT NULL CONSTRAINT notice_state_known CHECK (state IN ('waiting', 'done', 'ignored', 'dead')),
    reason       TEXT,
    fetch_only   INTEGER NOT NULL DEFAULT 0,
    replay_base  INTEGER NOT NULL DEFAULT 0,
    attempts     INTEGER NOT NULL DEFAULT 0,
    not_before   INTEGER NOT NULL,
    lease_token  TEXT,
    lease_until  INTEGER NOT NULL DEFAULT 0,
    order_id     TEXT,
    created_at   INTEGER NOT NULL,
    finished_at  INTEGER,
    CONSTRAINT notice_pk PRIMARY KEY (message_seq, ordinal),
    CONSTRAINT notice_finished_once CHECK ((state = 'waiting') = (finished_at IS NULL))
) STRICT;
CREATE INDEX notice_waiting ON notice (not_before, message_seq, ordinal, channel) WHERE state = 'waiting';
CREATE INDEX notice_dead ON notice (channel, message_seq) WHERE state = 'dead';
CREATE INDEX notice_order ON notice (order_id) WHERE order_id IS NOT NULL;

CREATE TABLE rejected_count (
    channel      TEXT    NOT NULL,
    hour         INTEGER NOT NULL,
    reason       TEXT    NOT NULL,
    count        INTEGER NOT NULL,
    CONSTRAINT rejected_count_pk PRIMARY KEY (channel, hour, reason)
) STRICT;

CREATE TABLE rejected_sample (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    channel      TEXT    NOT NULL,
    reason       TEXT    NOT NULL,
    received_at  INTEGER NOT NULL,
    request      BLOB    NOT NULL
) STRICT;
CREATE INDEX rejected_sample_channel ON rejected_sample (channel, seq);

CREATE TABLE orders (
    id             TEXT    NOT NULL CONSTRAINT orders_pk PRIMARY KEY,
    code           TEXT    NOT NULL CONSTRAINT orders_code UNIQUE,
    channel        TEXT    NOT NULL,
    connector      TEXT    NOT NULL,
    external_id    TEXT    NOT NULL,
    status         TEXT    NOT NULL,
    lifecycle      TEXT    NOT NULL,
    payment        TEXT    NOT NULL,
    fulfillment    TEXT    NOT NULL,
    held           TEXT,
    phone_hash     TEXT,
    currency       TEXT    NOT NULL,
    grand_total    INTEGER NOT NULL,
    amount_due     INTEGER NOT NULL,
    placed_at      INTEGER NOT NULL,
    received_at    INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    next_wake      INTEGER,
    version        INTEGER NOT NULL,
    doc            TEXT    NOT NULL,
    CONSTRAINT orders_external UNIQUE (channel, external_id)
) STRICT;
CREATE INDEX orders_placed ON orders (placed_at, id);
CREATE INDEX orders_updated ON orders (updated_at, id);
CREATE INDEX orders_status ON orders (status, placed_at, id);
CREATE INDEX orders_channel ON orders (channel, placed_at, id);
CREATE INDEX orders_phone ON orders (phone_hash, placed_at, id) WHERE phone_hash IS NOT NULL;
CREATE INDEX orders_external_id ON orders (external_id);
CREATE INDEX orders_held ON orders (held) WHERE held IS NOT NULL;
CREATE INDEX orders_wake ON orders (next_wake) WHERE next_wake IS NOT NULL;

-- What an order is found by: keyed hashes of name words, and tracking numbers.
CREATE TABLE order_term (
    term         TEXT    NOT NULL,
    order_id     TEXT    NOT NULL REFERENCES orders (id),
    CONSTRAINT order_term_pk PRIMARY KEY (term, order_id)
) STRICT;
CREATE INDEX order_term_order ON order_term (order_id);

CREATE TABLE order_location (
    location     TEXT    NOT NULL,
    placed_at    INTEGER NOT NULL,
    order_id     TEXT    NOT NULL REFERENCES orders (id),
    CONSTRAINT order_location_pk PRIMARY KEY (location, placed_at, order_id)
) STRICT;
CREATE INDEX order_location_order ON order_location (order_id);

CREATE TABLE order_event (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id     TEXT    NOT NULL REFERENCES orders (id),
    at           INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    detail       TEXT    NOT NULL
) STRICT;
CREATE INDEX order_event_order ON order_event (order_id, seq);

CREATE TABLE decision (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    order_id     TEXT    NOT NULL REFERENCES orders (id),
    at           INTEGER NOT NULL,
    rule         TEXT    NOT NULL,
    rules_version TEXT    NOT NULL,
    doc          TEXT    NOT NULL
) STRICT;
CREATE INDEX decision_order ON decision (order_id, seq);

CREATE TABLE change (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    position     INTEGER CONSTRAINT change_position UNIQUE,
    order_id     TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    at           INTEGER NOT NULL
) STRICT;
CREATE INDEX change_unpublished ON change (seq) WHERE position IS NULL;

CREATE TABLE task (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    key           TEXT    NOT NULL CONSTRAINT task_key UNIQUE,
    order_id      TEXT    NOT NULL REFERENCES orders (id),
    target        TEXT    NOT NULL,
    op            TEXT    NOT NULL,
    leg           TEXT    NOT NULL,
    subject       TEXT    NOT NULL,
    generation    INTEGER NOT NULL,
    serial        TEXT,
    state         TEXT    NOT NULL CONSTRAINT task_state_known CHECK (state IN ('pending', 'in_flight', 'delivered', 'refused', 'dead', 'withdrawn')),
    unknown       INTEGER NOT NULL DEFAULT 0,
    attempts      INTEGER NOT NULL DEFAULT 0,
    not_before    INTEGER NOT NULL,
    lease_token   TEXT,
    lease_until   INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    first_sent_at INTEGER,
    finished_at   INTEGER,
    last_outcome  TEXT,
    body          TEXT    NOT NULL,
    CONSTRAINT task_finished_once CHECK ((state IN ('pending', 'in_flight')) = (finished_at IS NULL))
) STRICT;
CREATE INDEX task_due ON task (target, not_before, seq) WHERE state = 'pending';
CREATE INDEX task_in_flight ON task (target, lease_until) WHERE state = 'in_flight';
CREATE INDEX task_serial ON task (serial, seq) WHERE state IN ('pending', 'in_flight') AND serial IS NOT NULL;
CREATE INDEX task_dead ON task (target, seq) WHERE state = 'dead';
CREATE INDEX task_order ON task (order_id);
CREATE INDEX task_subject ON task (subject);

CREATE TABLE attempt (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_seq     INTEGER NOT NULL REFERENCES task (seq),
    number       INTEGER NOT NULL,
    call         TEXT    NOT NULL CONSTRAINT attempt_call_known CHECK (call IN ('send', 'lookup')),
    started_at   INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    status       INTEGER,
    outcome      TEXT    NOT NULL,
    detail       TEXT    NOT NULL
) STRICT;
CREATE INDEX attempt_task ON attempt (task_seq, seq);

CREATE TABLE stock (
    location     TEXT    NOT NULL,
    sku          TEXT    NOT NULL,
    on_hand      INTEGER NOT NULL,
    reserved     INTEGER NOT NULL DEFAULT 0 CONSTRAINT stock_reserved_not_negative CHECK (reserved >= 0),
    safety       INTEGER NOT NULL DEFAULT 0 CONSTRAINT stock_safety_not_negative CHECK (safety >= 0),
    counted_at   INTEGER NOT NULL DEFAULT 0,
    sequence     INTEGER NOT NULL DEFAULT 0,
    updated_at   INTEGER NOT NULL,
    CONSTRAINT stock_pk PRIMARY KEY (location, sku)
) STRICT;
CREATE INDEX stock_sku ON stock (sku, location);

CREATE TABLE stock_movement (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    location     TEXT    NOT NULL,
    sku          TEXT    NOT NULL,
    kind         TEXT    NOT NULL CONSTRAINT stock_movement_kind_known CHECK (kind IN ('received', 'counted', 'reserved', 'released', 'shipped', 'returned', 'adjusted')),
    on_hand      INTEGER NOT NULL,
    reserved     INTEGER NOT NULL,
    order_id     TEXT,
    reference    TEXT    NOT NULL,
    happened_at  INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    CONSTRAINT stock_movement_once UNIQUE (reference, kind, location, sku)
) STRICT;
CREATE INDEX stock_movement_place ON stock_movement (location, sku, happened_at);

CREATE TABLE location_load (
    day          TEXT    NOT NULL,
    location     TEXT    NOT NULL,
    orders       INTEGER NOT NULL,
    CONSTRAINT location_load_pk PRIMARY KEY (day, location)
) STRICT;

CREATE TABLE product (
    sku          TEXT    NOT NULL CONSTRAINT product_pk PRIMARY KEY,
    name         TEXT    NOT NULL,
    category     TEXT,
    updated_at   INTEGER NOT NULL,
    doc          TEXT    NOT NULL
) STRICT;

CREATE TABLE sku_mapping (
    channel      TEXT    NOT NULL,
    channel_sku  TEXT    NOT NULL,
    sku          TEXT    NOT NULL,
    updated_at   INTEGER NOT NULL,
    CONSTRAINT sku_mapping_pk PRIMARY KEY (channel, channel_sku)
) STRICT;

CREATE TABLE counter (
    name         TEXT    NOT NULL CONSTRAINT counter_pk PRIMARY KEY,
    value        INTEGER NOT NULL
) STRICT;

CREATE TABLE conversation (
    id           TEXT    NOT NULL CONSTRAINT conversation_pk PRIMARY KEY,
    channel      TEXT    NOT NULL,
    person       TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    assignee     TEXT,
    order_id     TEXT,
    waiting_since INTEGER,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    doc          TEXT    NOT NULL,
    CONSTRAINT conversation_person UNIQUE (channel, person)
) STRICT;
CREATE INDEX conversation_updated ON conversation (updated_at, id);
CREATE INDEX conversation_waiting ON conversation (waiting_since, id) WHERE waiting_since IS NOT NULL;

CREATE TABLE channel_account (
    channel      TEXT    NOT NULL CONSTRAINT channel_account_pk PRIMARY KEY,
    access       BLOB,
    refresh      BLOB,
    previous     BLOB,
    access_expires_at  INTEGER,
    refresh_expires_at INTEGER,
    state        TEXT    NOT NULL,
    detail       TEXT,
    attempt_at   INTEGER,
    lease_token  TEXT,
    lease_until  INTEGER NOT NULL DEFAULT 0,
    version      INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE poll_position (
    channel      TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    watermark    INTEGER NOT NULL,
    window_to    INTEGER,
    cursor       TEXT,
    next_at      INTEGER NOT NULL,
    lease_token  TEXT,
    lease_until  INTEGER NOT NULL DEFAULT 0,
    found        INTEGER NOT NULL DEFAULT 0,
    last_error   TEXT,
    updated_at   INTEGER NOT NULL,
    CONSTRAINT poll_position_pk PRIMARY KEY (channel, kind)
) STRICT;

CREATE TABLE rule_set (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    version      TEXT    NOT NULL,
    author       TEXT    NOT NULL,
    active_from  INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    body         TEXT    NOT NULL
) STRICT;
CREATE INDEX rule_set_active ON rule_set (active_from, seq);

CREATE TABLE api_token (
    id           TEXT    NOT NULL CONSTRAINT api_token_pk PRIMARY KEY,
    hash         TEXT    NOT NULL CONSTRAINT api_token_hash UNIQUE,
    actor        TEXT    NOT NULL,
    scopes       TEXT    NOT NULL,
    location     TEXT,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE TABLE idempotency (
    actor        TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    body_hash    TEXT    NOT NULL,
    order_id     TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    CONSTRAINT idempotency_pk PRIMARY KEY (actor, key)
) STRICT;
CREATE INDEX idempotency_created ON idempotency (created_at);

CREATE TABLE audit (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    actor        TEXT    NOT NULL,
    action       TEXT    NOT NULL,
    subject      TEXT    NOT NULL,
    detail       TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, seq);

CREATE TABLE role_lease (
    role         TEXT    NOT NULL CONSTRAINT role_lease_pk PRIMARY KEY,
    token        TEXT    NOT NULL,
    until        INTEGER NOT NULL
) STRICT;
