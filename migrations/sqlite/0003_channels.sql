-- Tasks that belong to no order: stock levels and messages for a channel. SQLite cannot loosen a
-- column, so both tables are written anew.
CREATE TABLE task_new (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    key           TEXT    NOT NULL CONSTRAINT task_key UNIQUE,
    order_id      TEXT    REFERENCES orders (id),
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
    CONSTRAINT task_finished_once CHECK ((state IN ('pending', 'in_flight')) = (finished_at IS NULL)),
    CONSTRAINT task_has_order CHECK (order_id IS NOT NULL OR op IN ('set_stock', 'send_message'))
) STRICT;
INSERT INTO task_new SELECT seq, key, order_id, target, op, leg, subject, generation, serial, state, unknown,
    attempts, not_before, lease_token, lease_until, created_at, first_sent_at, finished_at, last_outcome, body FROM task;
CREATE TABLE attempt_new (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    task_seq     INTEGER NOT NULL REFERENCES task_new (seq),
    number       INTEGER NOT NULL,
    call         TEXT    NOT NULL CONSTRAINT attempt_call_known CHECK (call IN ('send', 'lookup')),
    started_at   INTEGER NOT NULL,
    duration_ms  INTEGER NOT NULL,
    status       INTEGER,
    outcome      TEXT    NOT NULL,
    detail       TEXT    NOT NULL
) STRICT;
INSERT INTO attempt_new SELECT seq, task_seq, number, call, started_at, duration_ms, status, outcome, detail FROM attempt;
DROP TABLE attempt;
DROP TABLE task;
ALTER TABLE task_new RENAME TO task;
ALTER TABLE attempt_new RENAME TO attempt;
CREATE INDEX task_due ON task (target, not_before, seq) WHERE state = 'pending';
CREATE INDEX task_in_flight ON task (target, lease_until) WHERE state = 'in_flight';
CREATE INDEX task_serial ON task (serial, seq) WHERE state IN ('pending', 'in_flight') AND serial IS NOT NULL;
CREATE INDEX task_dead ON task (target, seq) WHERE state = 'dead';
CREATE INDEX task_order ON task (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX task_subject ON task (subject);
CREATE INDEX attempt_task ON attempt (task_seq, seq);

-- News that channels and providers refused.
CREATE INDEX task_refused_news ON task (target, finished_at) WHERE state = 'refused' AND leg = 'channel';

-- What a channel was last told of an article's stock; -1 after it refused what it was told.
CREATE TABLE stock_told (
    channel      TEXT    NOT NULL,
    channel_sku  TEXT    NOT NULL,
    sku          TEXT    NOT NULL,
    available    INTEGER NOT NULL,
    sequence     INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    CONSTRAINT stock_told_pk PRIMARY KEY (channel, channel_sku)
) STRICT;

-- Messages per channel and hour (hours since 1970), for expecting them.
CREATE TABLE channel_hour (
    channel      TEXT    NOT NULL,
    hour         INTEGER NOT NULL,
    messages     INTEGER NOT NULL,
    CONSTRAINT channel_hour_pk PRIMARY KEY (channel, hour)
) STRICT;

-- Payments that providers were asked about.
CREATE TABLE payment_question (
    channel      TEXT    NOT NULL,
    reference    TEXT    NOT NULL,
    asked        INTEGER NOT NULL,
    next_at      INTEGER NOT NULL,
    state        TEXT    NOT NULL CONSTRAINT payment_question_state_known CHECK (state IN ('open', 'answered', 'unknown', 'given_up')),
    detail       TEXT,
    failing_since INTEGER,
    updated_at   INTEGER NOT NULL,
    CONSTRAINT payment_question_pk PRIMARY KEY (channel, reference)
) STRICT;
CREATE INDEX payment_question_due ON payment_question (channel, next_at) WHERE state = 'open';

-- Orders that wait for their money, for those questions.
CREATE INDEX orders_unpaid ON orders (channel, placed_at, id)
    WHERE payment IN ('unpaid', 'authorized', 'partially_paid', 'failed') AND lifecycle IN ('pending', 'open', 'on_hold');

-- Livestreams with the codes that their viewers write.
CREATE TABLE live (
    id           TEXT    NOT NULL CONSTRAINT live_pk PRIMARY KEY,
    channel      TEXT    NOT NULL,
    post         TEXT    NOT NULL,
    updated_at   INTEGER NOT NULL,
    version      INTEGER NOT NULL,
    doc          TEXT    NOT NULL,
    CONSTRAINT live_post UNIQUE (channel, post)
) STRICT;

-- What a channel's poll or reconciliation brought that no push had.
CREATE TABLE found_by_poll (
    channel      TEXT    NOT NULL CONSTRAINT found_by_poll_pk PRIMARY KEY,
    orders       INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

-- Webhook subscriptions as they were when last looked after.
CREATE TABLE subscription (
    channel      TEXT    NOT NULL CONSTRAINT subscription_pk PRIMARY KEY,
    state        TEXT    NOT NULL,
    detail       TEXT,
    checked_at   INTEGER NOT NULL
) STRICT;

-- Where a window of a poll begins that had to be made shorter.
ALTER TABLE poll_position ADD COLUMN window_from INTEGER;

-- When the authorisation itself ends, as the vendor has announced; no refresh makes it longer.
ALTER TABLE channel_account ADD COLUMN authorized_until INTEGER;

-- Whether a transfer was reported before, in another message.
CREATE INDEX notice_payment ON notice (channel, key, message_seq) WHERE kind = 'payment';

-- Written and never read: the old refresh token stays where it is until the new pair is stored.
ALTER TABLE channel_account DROP COLUMN previous;
ALTER TABLE channel_account DROP COLUMN attempt_at;

-- Payments that found no order by themselves and were assigned to one by staff.
CREATE TABLE booked_payment (
    channel      TEXT    NOT NULL,
    transaction_id TEXT    NOT NULL,
    order_id     TEXT    NOT NULL REFERENCES orders (id),
    message_seq  INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    actor        TEXT    NOT NULL,
    booked_at    INTEGER NOT NULL,
    CONSTRAINT booked_payment_pk PRIMARY KEY (channel, transaction_id)
) STRICT;
