//! How a vendor sends: signs, waits for the acknowledgement that it wants, repeats when it does
//! not come, now and then repeats without a reason, and sometimes lets a message be overtaken.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use reqwest::Method;

use super::Run;
use crate::{
    faults::hash,
    signing,
    world::{Answer, Outgoing, backoff, seconds},
};

/// How long a vendor repeats a message while nobody answers.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it takes a plain refusal of a genuine message before it gives up.
const MOST_REFUSALS: u32 = 10;

/// How the request is signed.
#[derive(Debug, Clone)]
pub(crate) enum Sign {
    /// Standard Webhooks: the timestamp is that of the try.
    Standard { id: String, secret: String },
    /// The same headers on every try.
    Fixed(Vec<(&'static str, String)>),
}

/// What the vendor takes for an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Any 2xx.
    Success,
    /// 2xx with nothing in it.
    Empty,
    /// VNPay: HTTP 200 and this `RspCode`; a repeat whose first answer got lost may say `02`.
    Code(&'static str),
    /// ZaloPay and CheckoutSDK: HTTP 200 and this number in this field; a repeat whose first answer
    /// got lost may say 2.
    Number(&'static str, i64),
    /// MoMo: exactly this status, with nothing in it.
    Status(u16),
    /// SePay: HTTP 200 and exactly this document.
    Exactly(&'static str),
    /// A forger wants anything but a refusal.
    Refusal,
}

/// How a vendor repeats.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Repeats {
    /// Until it is acknowledged, within reason.
    Patient,
    /// After these milliseconds, then never again.
    Ladder(&'static [u64]),
    /// As [`Self::Ladder`], but a 401 is final.
    LadderUnless401(&'static [u64]),
    /// Never.
    Once,
}

/// One message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) connector: &'static str,
    /// Unique per message; fixes what chance does to it.
    pub(crate) label: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) sign: Sign,
    pub(crate) wants: Wants,
    pub(crate) repeats: Repeats,
    pub(crate) timeout: Duration,
}

impl Message {
    pub(crate) fn post(
        connector: &'static str,
        channel: &str,
        label: String,
        body: Vec<u8>,
        sign: Sign,
    ) -> Self {
        Self {
            connector,
            label,
            method: Method::POST,
            path: format!("/webhooks/{channel}"),
            body,
            sign,
            wants: Wants::Success,
            repeats: Repeats::Patient,
            timeout: Duration::from_secs(15),
        }
    }

    /// The same message once more, after it was acknowledged.
    pub(crate) fn again(&self) -> Self {
        let wants = match self.wants {
            Wants::Code("00") => Wants::Code("02"),
            Wants::Number(field, 1) => Wants::Number(field, 2),
            Wants::Success
            | Wants::Empty
            | Wants::Code(_)
            | Wants::Number(..)
            | Wants::Status(_)
            | Wants::Exactly(_)
            | Wants::Refusal => self.wants,
        };
        Self {
            wants,
            ..self.clone()
        }
    }

    fn outgoing(&self) -> Outgoing {
        let mut headers = match &self.sign {
            Sign::Standard { id, secret } => {
                let at = seconds();
                vec![
                    ("webhook-id", id.clone()),
                    ("webhook-timestamp", at.to_string()),
                    (
                        "webhook-signature",
                        signing::standard(secret, id, at, &self.body),
                    ),
                ]
            }
            Sign::Fixed(headers) => headers.clone(),
        };
        let typed = headers
            .iter()
            .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !self.body.is_empty() && !typed {
            headers.push(("content-type", "application/json".to_owned()));
        }
        Outgoing {
            method: self.method.clone(),
            path: self.path.clone(),
            headers,
            body: self.body.clone(),
            timeout: self.timeout,
        }
    }

    fn satisfied(&self, answer: &Answer, first_try: bool) -> bool {
        match self.wants {
            Wants::Success => answer.success(),
            Wants::Empty => answer.success(),
            Wants::Code(code) => {
                let said = answer.json()["RspCode"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
                answer.success() && (said == code || (!first_try && said == "02"))
            }
            Wants::Number(field, number) => {
                let said = answer.json()[field].as_i64();
                answer.status == 200
                    && (said == Some(number) || (!first_try && number == 1 && said == Some(2)))
            }
            Wants::Status(status) => answer.status == status,
            Wants::Exactly(document) => answer.status == 200 && answer.body == document.as_bytes(),
            Wants::Refusal => {
                let said = answer.json();
                let refused = [&said["return_code"], &said["returnCode"]];
                (400..500).contains(&answer.status)
                    || said["RspCode"] == "97"
                    || refused.into_iter().any(|code| *code == -1)
            }
        }
    }
}

impl Run {
    /// Sends a genuine message; true when it was acknowledged or is under way behind its
    /// successors. One in ten is sent once more.
    pub(crate) async fn send(self: &Arc<Self>, message: Message) -> bool {
        self.count(message.connector, |sent| sent.messages += 1);
        let overtaken = format!("overtaken:{}", message.label);
        if self.world.faults.chance(&overtaken, 12) {
            self.stragglers.fetch_add(1, Ordering::SeqCst);
            let run = Arc::clone(self);
            self.world.job(async move {
                let late = 60 + hash(run.scenario.seed, &overtaken) % 400;
                tokio::time::sleep(Duration::from_millis(late)).await;
                Box::pin(run.deliver_twice(&message)).await;
                run.stragglers.fetch_sub(1, Ordering::SeqCst);
            });
            return true;
        }
        self.deliver_twice(&message).await
    }

    async fn deliver_twice(&self, message: &Message) -> bool {
        let acknowledged = self.deliver(message).await.is_some();
        if acknowledged && self.chance(&format!("twice:{}", message.label), 10) {
            self.count(message.connector, |sent| sent.duplicates += 1);
            let copy = message.again();
            self.deliver(&copy).await;
        }
        acknowledged
    }

    /// Sends a forged message; the gateway must refuse it.
    pub(crate) async fn forge_message(&self, message: Message) {
        self.count(message.connector, |sent| sent.forged += 1);
        let message = Message {
            wants: Wants::Refusal,
            ..message
        };
        if self.deliver(&message).await.is_some() {
            self.count(message.connector, |sent| sent.refused += 1);
        }
    }

    /// Sends until the vendor is satisfied or has had enough; the answer that satisfied it.
    pub(crate) async fn deliver(&self, message: &Message) -> Option<Answer> {
        let started = Instant::now();
        let mut refusals = 0;
        for attempt in 0_u32.. {
            let answer = self.world.send(message.outgoing()).await;
            if let Some(answer) = answer {
                if message.satisfied(&answer, attempt == 0) {
                    let empty = matches!(message.wants, Wants::Empty | Wants::Status(_));
                    if empty && !answer.body.is_empty() {
                        self.unexpected(format!("{}: the answer has a body", message.label));
                    }
                    return Some(answer);
                }
                if answer.status < 500 && answer.status != 429 && answer.status != 408 {
                    refusals += 1;
                    let is_final = answer.status == 401
                        && matches!(message.repeats, Repeats::LadderUnless401(_));
                    let enough = matches!(message.wants, Wants::Refusal)
                        || is_final
                        || refusals >= MOST_REFUSALS;
                    if enough {
                        let said = String::from_utf8_lossy(&answer.body);
                        let said: String = said.chars().take(120).collect();
                        self.unexpected(format!("{}: {} {said}", message.label, answer.status));
                        break;
                    }
                }
            }
            let wait = match message.repeats {
                Repeats::Once => break,
                Repeats::Ladder(steps) | Repeats::LadderUnless401(steps) => {
                    match steps.get(usize::try_from(attempt).unwrap_or(usize::MAX)) {
                        Some(wait) => Duration::from_millis(*wait),
                        None => break,
                    }
                }
                Repeats::Patient if started.elapsed() > PATIENCE => break,
                Repeats::Patient => backoff(attempt),
            };
            tokio::time::sleep(wait).await;
            self.count(message.connector, |sent| sent.retries += 1);
        }
        if message.wants != Wants::Refusal {
            self.count(message.connector, |sent| sent.lost += 1);
        }
        None
    }
}
