-- Tasks that belong to no order: stock levels and messages for a channel.
ALTER TABLE task ALTER COLUMN order_id DROP NOT NULL;
DROP INDEX task_order;
CREATE INDEX task_order ON task (order_id) WHERE order_id IS NOT NULL;
ALTER TABLE task ADD CONSTRAINT task_has_order CHECK (order_id IS NOT NULL OR op IN ('set_stock', 'send_message'));

-- News that channels and providers refused.
CREATE INDEX task_refused_news ON task (target, finished_at) WHERE state = 'refused' AND leg = 'channel';

-- What a channel was last told of an article's stock; -1 after it refused what it was told.
CREATE TABLE stock_told (
    channel      TEXT COLLATE "C"    NOT NULL,
    channel_sku  TEXT COLLATE "C"    NOT NULL,
    sku          TEXT COLLATE "C"    NOT NULL,
    available    BIGINT NOT NULL,
    sequence     BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL,
    CONSTRAINT stock_told_pk PRIMARY KEY (channel, channel_sku)
);

-- Messages per channel and hour (hours since 1970), for expecting them.
CREATE TABLE channel_hour (
    channel      TEXT COLLATE "C"    NOT NULL,
    hour         BIGINT NOT NULL,
    messages     BIGINT NOT NULL,
    CONSTRAINT channel_hour_pk PRIMARY KEY (channel, hour)
);

-- Payments that providers were asked about.
CREATE TABLE payment_question (
    channel      TEXT COLLATE "C"    NOT NULL,
    reference    TEXT COLLATE "C"    NOT NULL,
    asked        BIGINT NOT NULL,
    next_at      BIGINT NOT NULL,
    state        TEXT COLLATE "C"    NOT NULL CONSTRAINT payment_question_state_known CHECK (state IN ('open', 'answered', 'unknown', 'given_up')),
    detail       TEXT COLLATE "C",
    failing_since BIGINT,
    updated_at   BIGINT NOT NULL,
    CONSTRAINT payment_question_pk PRIMARY KEY (channel, reference)
);
CREATE INDEX payment_question_due ON payment_question (channel, next_at) WHERE state = 'open';

-- Orders that wait for their money, for those questions.
CREATE INDEX orders_unpaid ON orders (channel, placed_at, id)
    WHERE payment IN ('unpaid', 'authorized', 'partially_paid', 'failed') AND lifecycle IN ('pending', 'open', 'on_hold');

-- Livestreams with the codes that their viewers write.
CREATE TABLE live (
    id           TEXT COLLATE "C"    NOT NULL CONSTRAINT live_pk PRIMARY KEY,
    channel      TEXT COLLATE "C"    NOT NULL,
    post         TEXT COLLATE "C"    NOT NULL,
    updated_at   BIGINT NOT NULL,
    version      BIGINT NOT NULL,
    doc          TEXT COLLATE "C"    NOT NULL,
    CONSTRAINT live_post UNIQUE (channel, post)
);

-- What a channel's poll or reconciliation brought that no push had.
CREATE TABLE found_by_poll (
    channel      TEXT COLLATE "C"    NOT NULL CONSTRAINT found_by_poll_pk PRIMARY KEY,
    orders       BIGINT NOT NULL,
    updated_at   BIGINT NOT NULL
);

-- Webhook subscriptions as they were when last looked after.
CREATE TABLE subscription (
    channel      TEXT COLLATE "C"    NOT NULL CONSTRAINT subscription_pk PRIMARY KEY,
    state        TEXT COLLATE "C"    NOT NULL,
    detail       TEXT COLLATE "C",
    checked_at   BIGINT NOT NULL
);

-- Where a window of a poll begins that had to be made shorter.
ALTER TABLE poll_position ADD COLUMN window_from BIGINT;

-- When the authorisation itself ends, as the vendor has announced; no refresh makes it longer.
ALTER TABLE channel_account ADD COLUMN authorized_until BIGINT;

-- Whether a transfer was reported before, in another message.
CREATE INDEX notice_payment ON notice (channel, key, message_seq) WHERE kind = 'payment';

-- Written and never read: the old refresh token stays where it is until the new pair is stored.
ALTER TABLE channel_account DROP COLUMN previous;
ALTER TABLE channel_account DROP COLUMN attempt_at;

-- Payments that found no order by themselves and were assigned to one by staff.
CREATE TABLE booked_payment (
    channel      TEXT COLLATE "C"    NOT NULL,
    transaction_id TEXT COLLATE "C"    NOT NULL,
    order_id     TEXT COLLATE "C"    NOT NULL REFERENCES orders (id),
    message_seq  BIGINT NOT NULL,
    ordinal      BIGINT NOT NULL,
    actor        TEXT COLLATE "C"    NOT NULL,
    booked_at    BIGINT NOT NULL,
    CONSTRAINT booked_payment_pk PRIMARY KEY (channel, transaction_id)
);
