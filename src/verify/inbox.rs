//! Receipts, messages and notices.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{ChannelRow, Finding, Findings, Options, Rows};
use crate::store::Error;
use crate::store::ledger::{Books, Counts, Stray};

/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

const STATES: [&str; 4] = ["done", "ignored", "waiting", "dead"];

/// Rows lost or written by another hand: no command brings them back truthfully.
const RESTORE: &str = "rows were lost or written by another hand: compare with a backup of that time; \
     the channel's poll or a repeat of the message brings the order itself up to date";

pub(super) async fn check(
    books: &Books,
    options: &Options,
    findings: &mut Findings,
) -> Result<Vec<ChannelRow>, Error> {
    let span = options.span;
    let mut named = BTreeSet::new();
    let kinds: [(&'static str, &str, &str, Vec<Stray>); 6] = [
        (
            "receipt-missing",
            "has not exactly one receipt of its first arrival",
            RESTORE,
            books.messages_without_receipt(span).await?,
        ),
        (
            "message-missing",
            "has a receipt and is not there",
            RESTORE,
            books.receipts_without_message(span).await?,
        ),
        (
            "conflict-not-kept",
            "came again with other content, which was not kept",
            RESTORE,
            books.conflicts_not_kept(span).await?,
        ),
        (
            "notice-missing",
            "has no notice: nobody will settle it",
            "read it again: POST /api/v1/inbox/{id}/replay",
            books.messages_without_notice(span).await?,
        ),
        (
            "ignored-without-reason",
            "has a notice that was ignored without a reason",
            "read it again: POST /api/v1/inbox/{id}/replay",
            books.ignored_without_reason(span).await?,
        ),
        (
            "order-missing",
            "was settled into an order that is not there",
            "restore the order from a backup, or read the message again: POST /api/v1/inbox/{id}/replay",
            books.notices_of_lost_orders(span).await?,
        ),
    ];
    for (code, what, remedy, strays) in kinds {
        let listed = strays.len();
        let total = strays.first().map_or(0, |stray| stray.total);
        for stray in strays {
            findings.add(Finding {
                code,
                what: format!("message {} {what}", stray.seq),
                place: format!("channel {}, {}", stray.channel, moment(stray.at)),
                remedy: remedy.replace("{id}", &stray.seq.to_string()),
            });
            named.insert(stray.channel);
        }
        findings.count_more(usize::try_from(total).unwrap_or(0).saturating_sub(listed));
    }
    let hours = books.hours(span).await?;
    for ((channel, hour), counts) in &hours {
        let row = row(channel, Some(*hour), counts);
        // What is named already needs no second finding.
        if !row.balanced && !named.contains(channel) {
            findings.add(Finding {
                code: "equation",
                what: format!(
                    "receipts {} = new {} + duplicate {} + conflict {}, messages {}, notices {} = done {} + ignored {} + waiting {} + dead {}",
                    row.receipts, row.new, row.duplicate, row.conflict, row.messages, row.notices,
                    row.done, row.ignored, row.waiting, row.dead
                ),
                place: format!("channel {channel}, hour {}", row.hour.unwrap_or_default()),
                remedy: RESTORE.to_owned(),
            });
        }
    }
    Ok(match options.rows {
        Rows::Hours => hours
            .iter()
            .map(|((channel, hour), counts)| row(channel, Some(*hour), counts))
            .collect(),
        Rows::Totals => {
            let mut totals: BTreeMap<String, Counts> = BTreeMap::new();
            for ((channel, _), counts) in hours {
                add(totals.entry(channel).or_default(), counts);
            }
            totals
                .iter()
                .map(|(channel, counts)| row(channel, None, counts))
                .collect()
        }
    })
}

fn add(sum: &mut Counts, counts: Counts) {
    sum.new += counts.new;
    sum.duplicate += counts.duplicate;
    sum.conflict += counts.conflict;
    sum.strange += counts.strange;
    sum.messages += counts.messages;
    for (state, n) in counts.notices {
        *sum.notices.entry(state).or_default() += n;
    }
}

fn row(channel: &str, hour: Option<i64>, counts: &Counts) -> ChannelRow {
    let of = |state: &str| counts.notices.get(state).copied().unwrap_or(0);
    let notices: i64 = counts.notices.values().sum();
    let known: i64 = STATES.iter().map(|state| of(state)).sum();
    ChannelRow {
        channel: channel.to_owned(),
        hour: hour.map(|hour| moment(hour.saturating_mul(HOUR_MS))),
        receipts: counts.new + counts.duplicate + counts.conflict + counts.strange,
        new: counts.new,
        duplicate: counts.duplicate,
        conflict: counts.conflict,
        messages: counts.messages,
        notices,
        done: of("done"),
        ignored: of("ignored"),
        waiting: of("waiting"),
        dead: of("dead"),
        balanced: counts.strange == 0 && counts.new == counts.messages && notices == known,
    }
}

/// A moment for people.
pub(super) fn moment(at_ms: i64) -> String {
    Timestamp::from_millisecond(at_ms).map_or_else(
        |_| format!("{at_ms} ms"),
        |at| at.strftime("%Y-%m-%dT%H:%MZ").to_string(),
    )
}
