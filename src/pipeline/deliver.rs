//! Deliver: lease, send, and hand the outcome to settling (T3).
//!
//! Each target, and each channel that can be told something, has a worker of its own that leases
//! only as many tasks as its gate lets through now: one dead target starves nobody, and waiting for a rate or a breaker uses up no
//! attempt. The lease is the record of intent. If the process dies after it, the lease expires,
//! the task is due again with an unknown outcome, and the partner is asked before anything is
//! sent again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use connectors::channel::CallContext;
use connectors::feedback::{Step, Try, Untold};
use connectors::target::{BuildError, LookedUp, Target};
use domain::retry::RetryPolicy;
use domain::task::{Outcome, TaskBody};
use http::{Request, Response};
use jiff::Timestamp;
use secrecy::SecretString;

use crate::bells::News;
use crate::config::{Calls, ChannelConfig, Retry, TargetConfig};
use crate::crash;
use crate::gateway::Gateway;
use crate::outbound::{Gate, GateKey, limits};
use crate::outbound::{NotSent, SendError, SendOptions};
use crate::pipeline::settle::Input;
use crate::pipeline::tokens;
use crate::store::outbox::{self, Attempt, Finished, LeasedTask, TaskEnd};

/// A task whose account is refused waits this long: an operator must act first.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(60);

/// Calls that one intention may need at a channel; a connector that wants more is going in circles.
const MOST_STEPS: usize = 12;

/// Whom tasks go to.
#[derive(Debug, Clone)]
pub struct Recipient {
    id: String,
    calls: Calls,
    retry: Retry,
    /// It is alarmed and never given up: a legal day has no give-up time.
    has_deadline: bool,
    language: Language,
}

/// What it speaks.
#[derive(Debug, Clone)]
enum Language {
    Target(Arc<dyn Target>),
    Channel(Arc<ChannelConfig>),
}

impl From<&TargetConfig> for Recipient {
    fn from(target: &TargetConfig) -> Self {
        Self {
            id: target.id.clone(),
            calls: target.calls,
            retry: target.retry,
            has_deadline: target.deadline.is_some(),
            language: Language::Target(Arc::clone(&target.target)),
        }
    }
}

impl Recipient {
    /// A channel that can be told something; `None` for one that cannot.
    #[must_use]
    pub fn channel(channel: &ChannelConfig) -> Option<Self> {
        let language = &channel.channel;
        let able = language.feedback().is_some()
            || language.messages().is_some()
            || language.notices().is_some();
        able.then(|| Self {
            id: channel.id.clone(),
            calls: channel.calls,
            retry: channel.retry,
            has_deadline: false,
            language: Language::Channel(Arc::new(channel.clone())),
        })
    }
}

/// Works for one recipient until shutdown.
pub async fn run(gateway: Arc<Gateway>, recipient: Arc<Recipient>) {
    let Some(gate) = gateway.gates.get(&GateKey::owner(&recipient.id)) else {
        return;
    };
    let idle = Duration::from_millis(gateway.config.work.idle_poll_ms);
    while !gateway.shutdown.is_triggered() {
        // Heard from before the look on: a ring while it runs is not lost.
        let rung = gateway.bells.heard(News::Outbox);
        let slots = gate.free_slots();
        let leased = if slots == 0 {
            Vec::new()
        } else {
            lease(&gateway, &recipient, slots).await
        };
        if leased.is_empty() {
            // A full gate frees itself within a call's time; an empty outbox rings its bell.
            let wait = if slots == 0 {
                Duration::from_millis(5)
            } else {
                idle
            };
            tokio::select! {
                () = gateway.shutdown.triggered() => return,
                () = rung => {}
                () = tokio::time::sleep(wait) => {}
            }
            continue;
        }
        for (token, task) in leased {
            let worker = deliver(
                Arc::clone(&gateway),
                Arc::clone(&recipient),
                Arc::clone(&gate),
                token,
                task,
            );
            gateway.shutdown.spawn(worker);
        }
        // Lets the workers take their slots before the next lease counts them.
        tokio::task::yield_now().await;
    }
}

async fn lease(
    gateway: &Gateway,
    recipient: &Recipient,
    slots: usize,
) -> Vec<(String, LeasedTask)> {
    let now = gateway.now_ms();
    let token = gateway.lease_token();
    // Longer than all calls of one try may take, so that a live worker never loses its lease to
    // the clock.
    let calls = match recipient.language {
        Language::Target(_) => 2,
        Language::Channel(_) => u64::try_from(MOST_STEPS).unwrap_or(12) + 2,
    };
    let lease_ms =
        i64::try_from(gateway.config.work.lease_s * 1000 + recipient.calls.timeout_ms * calls)
            .unwrap_or(i64::MAX / 4);
    match outbox::claim(
        &gateway.db,
        &recipient.id,
        &token,
        now,
        now + lease_ms,
        slots,
    )
    .await
    {
        Ok(tasks) => tasks.into_iter().map(|t| (token.clone(), t)).collect(),
        Err(error) => {
            tracing::error!(target_id = recipient.id, error = %crate::telemetry::chain(&error), "could not lease tasks");
            Vec::new()
        }
    }
}

async fn deliver(
    gateway: Arc<Gateway>,
    recipient: Arc<Recipient>,
    gate: Arc<Gate>,
    token: String,
    task: LeasedTask,
) {
    let mut call = Call {
        gateway: &gateway,
        recipient: &recipient,
        gate: &gate,
        task: &task,
        attempts: Vec::new(),
    };
    crash::point("deliver.after_lease");
    let end = call.run().await;
    crash::point("deliver.after_send");
    let attempts = call.attempts;
    for (n, attempt) in attempts.iter().enumerate() {
        // Looks, and steps before the last, decide nothing.
        let is_last = n + 1 == attempts.len();
        gateway.metrics.attempt(
            &recipient.id,
            if is_last { end.as_str() } else { "step" },
            Duration::from_millis(attempt.duration_ms.unsigned_abs()),
        );
    }
    if let TaskEnd::Dead { reason, .. } = &end {
        tracing::error!(
            target_id = recipient.id,
            task = task.key,
            reason,
            "a delivery gave up and needs a person; see `kenh redrive`"
        );
    }
    gateway
        .settler
        .submit(Input::Task(Box::new(Finished {
            task,
            token,
            attempts,
            end,
        })))
        .await;
}

struct Call<'a> {
    gateway: &'a Gateway,
    recipient: &'a Recipient,
    gate: &'a Arc<Gate>,
    task: &'a LeasedTask,
    attempts: Vec<Attempt>,
}

/// What one request brought.
enum Answer {
    Response(Response<Bytes>),
    Failed(SendError),
    Held(limits::Wait),
}

/// What is decided about a channel after a call.
enum After {
    End(TaskEnd),
    /// Another call, with this added to what is known.
    More(Bytes),
    /// The same call with a fresh token.
    Renew,
}

impl Call<'_> {
    async fn run(&mut self) -> TaskEnd {
        match &self.recipient.language {
            Language::Target(target) => {
                if self.task.unknown
                    && let Some(end) = self.look_up(&**target).await
                {
                    return end;
                }
                self.send(&**target).await
            }
            Language::Channel(channel) => match self.hour(channel) {
                Some(end) => end,
                None => self.converse(channel).await,
            },
        }
    }

    /// Why a notice for a buyer is not sent at this hour: nobody is woken at night, which uses up
    /// no try, and nobody is told of the day before yesterday.
    fn hour(&mut self, channel: &ChannelConfig) -> Option<TaskEnd> {
        let TaskBody::BuyerNotice(notice) = &self.task.body else {
            return None;
        };
        if self.task.unknown {
            // It will not be sent again, whatever the hour.
            return None;
        }
        let now = self.gateway.clock.now();
        if notice.is_stale(now) {
            let reason = "it could not be sent in time, and is no news any more".to_owned();
            return Some(self.untold("too_late", reason));
        }
        let not_before = channel.channel.notices()?.not_before(now);
        (not_before > now).then(|| TaskEnd::GivenBack {
            not_before: not_before.as_millisecond(),
            unknown: false,
        })
    }

    /// Asks the partner what became of an earlier try; `None` means that sending is safe.
    async fn look_up(&mut self, target: &dyn Target) -> Option<TaskEnd> {
        let request = target.lookup(&self.task.body, &self.task.key, self.context(None))?;
        let started = self.gateway.now_ms();
        let (looked, status) = match self.exchange(request).await {
            Answer::Held(wait) => return Some(self.held(wait)),
            Answer::Failed(error) => (
                LookedUp::Undecided {
                    after_s: None,
                    reason: error.to_string(),
                },
                error.status(),
            ),
            Answer::Response(response) => (
                target.read_lookup(&self.task.body, &response),
                Some(response.status().as_u16()),
            ),
        };
        let (end, word, detail) = match looked {
            LookedUp::Absent => (None, "absent", String::new()),
            LookedUp::Found(outcome) => {
                let detail = describe(&outcome);
                (Some(self.end_of(outcome, true)), "found", detail)
            }
            LookedUp::Undecided { after_s, reason } => (
                Some(self.again(after_s, true, reason.clone())),
                "undecided",
                reason,
            ),
        };
        self.record("lookup", started, status, word, detail);
        end
    }

    async fn send(&mut self, target: &dyn Target) -> TaskEnd {
        let built = target.request(&self.task.body, &self.task.key, self.context(None));
        let request = match built {
            Ok(request) => request,
            Err(error) => return self.unbuildable(&error, false),
        };
        let started = self.gateway.now_ms();
        match self.exchange(request).await {
            Answer::Held(wait) => self.held(wait),
            Answer::Failed(error) => self.failed(started, &error, false),
            Answer::Response(response) => {
                let outcome = target.read(&self.task.body, &response);
                self.record(
                    "send",
                    started,
                    Some(response.status().as_u16()),
                    word(&outcome),
                    describe(&outcome),
                );
                self.end_of(outcome, may_have_worked(response.status()))
            }
        }
    }

    /// One try at a channel: as many calls as its language needs, with one fresh token if the one
    /// in force is refused. A try that ends between two calls is begun anew, and looks first.
    async fn converse(&mut self, channel: &ChannelConfig) -> TaskEnd {
        let mut token = match tokens::access(self.gateway, channel).await {
            Ok(token) => token,
            Err(error) => return self.without_token(&error, false),
        };
        let mut renewed = false;
        let mut got: Vec<Bytes> = Vec::new();
        while got.len() < MOST_STEPS {
            match self
                .step(channel, &got, token.as_ref().map(tokens::Access::token))
                .await
            {
                After::End(end) => return end,
                After::More(part) => {
                    crash::point("deliver.between_steps");
                    got.push(part);
                }
                After::Renew if renewed => {
                    let begun = self.task.unknown || !got.is_empty();
                    return self.again(None, begun, "the access token is expired".to_owned());
                }
                After::Renew => {
                    renewed = true;
                    token = match tokens::renew(self.gateway, channel, token.as_ref()).await {
                        Ok(token) => Some(token),
                        Err(error) => return self.without_token(&error, !got.is_empty()),
                    };
                }
            }
        }
        TaskEnd::Dead {
            reason: "the channel's calls never come to an end".to_owned(),
            unknown: true,
        }
    }

    async fn step(
        &mut self,
        channel: &ChannelConfig,
        got: &[Bytes],
        token: Option<&SecretString>,
    ) -> After {
        let attempt = Try {
            key: &self.task.key,
            got,
            unknown: self.task.unknown,
        };
        let request = match told(channel, &self.task.body, attempt, self.context(token)) {
            Ok(request) => request,
            Err(NotTold::Unbuildable(error)) => {
                return After::End(self.unbuildable(&error, !got.is_empty()));
            }
            Err(NotTold::Untold(untold)) => {
                return After::End(self.untold(untold.code, untold.reason));
            }
        };
        // After the first call something may have been set in motion; of a notice, another call
        // follows only where the first was refused.
        let is_notice = matches!(self.task.body, TaskBody::BuyerNotice(_));
        let begun = self.task.unknown || (!got.is_empty() && !is_notice);
        let started = self.gateway.now_ms();
        let response = match self.exchange(request).await {
            Answer::Held(wait) if got.is_empty() => return After::End(self.held(wait)),
            Answer::Held(wait) => {
                let after_s = wait.retry_in.map(|pause| pause.as_secs());
                let reason = "held back between two calls: rate or breaker".to_owned();
                return After::End(self.again(after_s, begun, reason));
            }
            Answer::Failed(error) => return After::End(self.failed(started, &error, begun)),
            Answer::Response(response) => response,
        };
        let now = self.gateway.clock.now();
        let step = read_told(channel, &self.task.body, attempt, &response, now);
        let status = Some(response.status().as_u16());
        match step {
            Step::Part(part) => {
                self.record("send", started, status, "part", String::new());
                After::More(part)
            }
            Step::TokenExpired => {
                self.record("send", started, status, "token_expired", String::new());
                After::Renew
            }
            Step::Done(outcome) => {
                self.record("send", started, status, word(&outcome), describe(&outcome));
                let unknown = begun || may_have_worked(response.status());
                After::End(self.end_of(outcome, unknown))
            }
        }
    }

    /// No access token now. Until a person has authorised the account again nothing is sent, and
    /// nothing is given up. `begun` says that an earlier call of this try went out.
    fn without_token(&mut self, error: &tokens::Error, begun: bool) -> TaskEnd {
        let reason = error.to_string();
        let now = self.gateway.now_ms();
        self.record("send", now, None, "no_token", reason.clone());
        match error {
            tokens::Error::Reauthorize { .. } | tokens::Error::NoTokens(_) => TaskEnd::GivenBack {
                not_before: now + i64::try_from(ACCOUNT_PAUSE.as_millis()).unwrap_or(i64::MAX / 4),
                unknown: begun,
            },
            tokens::Error::Later { .. } => self.again(None, self.task.unknown || begun, reason),
        }
    }

    /// The request cannot be made. `begun` says that earlier calls of this try went out.
    fn unbuildable(&mut self, error: &BuildError, begun: bool) -> TaskEnd {
        let reason = error.to_string();
        let now = self.gateway.now_ms();
        self.record("send", now, None, "unbuildable", reason.clone());
        TaskEnd::Dead {
            reason,
            unknown: self.task.unknown || begun,
        }
    }

    /// A notice that will not reach its buyer is refused and not dead: its order shows it, but
    /// nobody is called. No money and no goods hang on it, and by the time that a person came to
    /// redrive it, it would be no news any more, or the second time that a phone rings.
    fn untold(&mut self, code: &str, reason: String) -> TaskEnd {
        let now = self.gateway.now_ms();
        self.record("send", now, None, code, reason.clone());
        TaskEnd::Refused(Outcome::Refused {
            code: code.to_owned(),
            message: reason,
        })
    }

    fn failed(&mut self, started: i64, error: &SendError, begun: bool) -> TaskEnd {
        let reason = error.to_string();
        self.record(
            "send",
            started,
            error.status(),
            error.label(),
            reason.clone(),
        );
        if error.is_permanent() {
            return TaskEnd::Dead {
                reason,
                unknown: begun,
            };
        }
        let unknown = begun || !error.is_not_sent();
        self.again(None, unknown, reason)
    }

    fn context<'a>(&self, access_token: Option<&'a SecretString>) -> CallContext<'a> {
        CallContext {
            now: self.gateway.clock.now(),
            access_token,
        }
    }

    /// One request through the gate, and what it showed of the recipient's health.
    async fn exchange(&self, request: Request<Bytes>) -> Answer {
        let permit = match self.gate.permit() {
            Ok(permit) => permit,
            Err(wait) => return Answer::Held(wait),
        };
        let options = SendOptions {
            timeout: Duration::from_millis(self.recipient.calls.timeout_ms),
            internal: self.recipient.calls.internal,
            ..SendOptions::default()
        };
        match self.gateway.client.send(request, &options).await {
            Ok(response) => {
                permit.report(health(&response));
                Answer::Response(response)
            }
            Err(SendError::NotSent(NotSent::Held(wait))) => Answer::Held(wait),
            Err(error) => {
                if let Some(outcome) = limits::Outcome::of_failure(&error) {
                    permit.report(outcome);
                }
                Answer::Failed(error)
            }
        }
    }

    fn held(&self, wait: limits::Wait) -> TaskEnd {
        let pause = wait.retry_in.unwrap_or(Duration::from_millis(50));
        TaskEnd::GivenBack {
            not_before: self.gateway.now_ms()
                + i64::try_from(pause.as_millis()).unwrap_or(i64::MAX / 4),
            unknown: false,
        }
    }

    fn end_of(&self, outcome: Outcome, unknown: bool) -> TaskEnd {
        match outcome {
            Outcome::Accepted { .. } | Outcome::Duplicate { .. } => TaskEnd::Delivered(outcome),
            Outcome::Refused { .. } => TaskEnd::Refused(outcome),
            Outcome::Retry { after_s, reason } => self.again(after_s, unknown, reason),
            Outcome::Account { reason } => {
                self.gate.report(limits::Outcome::Account {
                    pause: ACCOUNT_PAUSE,
                });
                tracing::error!(
                    target_id = self.recipient.id,
                    reason,
                    "a partner refuses our account; nothing is sent to it until somebody acts"
                );
                self.again(Some(ACCOUNT_PAUSE.as_secs()), unknown, reason)
            }
        }
    }

    fn again(&self, after_s: Option<u64>, unknown: bool, reason: String) -> TaskEnd {
        let now = self.gateway.now_ms();
        let retry = &self.recipient.retry;
        let policy = RetryPolicy {
            first_ms: retry.first_ms,
            factor_milli: retry.factor.milli,
            max_ms: retry.max_ms,
            // An invoice has a legal day, not a give-up time: it is alarmed, never dropped.
            give_up_after_s: if self.recipient.has_deadline {
                u64::MAX / 2_000
            } else {
                retry.give_up_after_s
            },
        };
        let elapsed = (now - self.task.first_sent_at).max(0).unsigned_abs();
        let attempt = u32::try_from(self.task.attempts).unwrap_or(u32::MAX);
        let retry_after_ms = after_s.map(|s| s.saturating_mul(1000));
        match policy.delay(attempt, elapsed, retry_after_ms, fastrand::u64(..)) {
            Some(delay) => TaskEnd::Again {
                not_before: now.saturating_add(i64::try_from(delay).unwrap_or(i64::MAX / 4)),
                unknown,
                reason,
            },
            None => TaskEnd::Dead {
                reason: format!(
                    "gave up after {attempt} attempts in {} s: {reason}",
                    elapsed / 1000
                ),
                unknown,
            },
        }
    }

    fn record(
        &mut self,
        call: &'static str,
        started_at: i64,
        status: Option<u16>,
        outcome: &str,
        detail: String,
    ) {
        self.attempts.push(Attempt {
            call,
            started_at,
            duration_ms: (self.gateway.now_ms() - started_at).max(0),
            status,
            outcome: outcome.to_owned(),
            detail,
        });
    }
}

/// A partner that breaks in the middle of its work may have done it.
fn may_have_worked(status: http::StatusCode) -> bool {
    status.is_server_error() || status == http::StatusCode::REQUEST_TIMEOUT
}

/// Why there is no request.
enum NotTold {
    Unbuildable(BuildError),
    Untold(Untold),
}

impl From<BuildError> for NotTold {
    fn from(error: BuildError) -> Self {
        Self::Unbuildable(error)
    }
}

/// The next request that tells a channel, or a person through it, what the task says.
fn told(
    channel: &ChannelConfig,
    body: &TaskBody,
    attempt: Try<'_>,
    call: CallContext<'_>,
) -> Result<Request<Bytes>, NotTold> {
    let unable = || BuildError {
        what: format!("{} cannot be told to this channel", body.op()),
    };
    let feedback = || channel.channel.feedback().ok_or_else(unable);
    let request = match body {
        TaskBody::Channel(task) => feedback()?.request(task, attempt, call)?,
        TaskBody::ChannelStock(level) => {
            let stock = feedback()?.stock().ok_or_else(unable)?;
            stock.request(level, attempt, call)?
        }
        TaskBody::ChannelMessage(message) => {
            let messages = channel.channel.messages().ok_or_else(unable)?;
            messages.request(message, attempt, call)?
        }
        TaskBody::BuyerNotice(notice) => {
            // The templates were taken out of the configuration meanwhile.
            let none = || Untold {
                code: "cannot_be_told",
                reason: "this channel tells buyers nothing any more".to_owned(),
            };
            let notices = channel
                .channel
                .notices()
                .ok_or_else(|| NotTold::Untold(none()))?;
            notices
                .request(notice, attempt, call)
                .map_err(NotTold::Untold)?
        }
        TaskBody::Reserve { .. }
        | TaskBody::ReleaseReservation { .. }
        | TaskBody::CreateFulfillment { .. }
        | TaskBody::CancelFulfillment { .. }
        | TaskBody::IssueInvoice(_)
        | TaskBody::AdjustInvoice { .. }
        | TaskBody::CreateWorkOrder { .. }
        | TaskBody::ReleaseWorkOrder { .. }
        | TaskBody::RescheduleWorkOrder { .. }
        | TaskBody::CancelWorkOrder { .. }
        | TaskBody::ActivateWarranty { .. } => return Err(unable().into()),
    };
    Ok(request)
}

/// Sorts a channel's answer. Only asked for tasks whose request could be built.
fn read_told(
    channel: &ChannelConfig,
    body: &TaskBody,
    attempt: Try<'_>,
    response: &Response<Bytes>,
    now: Timestamp,
) -> Step {
    let language = &channel.channel;
    let step = match body {
        TaskBody::Channel(task) => language
            .feedback()
            .map(|feedback| feedback.read(task, attempt, response)),
        TaskBody::ChannelStock(level) => language
            .feedback()
            .and_then(|feedback| feedback.stock())
            .map(|stock| stock.read(level, attempt, response)),
        TaskBody::ChannelMessage(message) => language
            .messages()
            .map(|messages| messages.read(message, attempt, response)),
        TaskBody::BuyerNotice(notice) => language
            .notices()
            .map(|notices| notices.read(notice, attempt, response, now)),
        TaskBody::Reserve { .. }
        | TaskBody::ReleaseReservation { .. }
        | TaskBody::CreateFulfillment { .. }
        | TaskBody::CancelFulfillment { .. }
        | TaskBody::IssueInvoice(_)
        | TaskBody::AdjustInvoice { .. }
        | TaskBody::CreateWorkOrder { .. }
        | TaskBody::ReleaseWorkOrder { .. }
        | TaskBody::RescheduleWorkOrder { .. }
        | TaskBody::CancelWorkOrder { .. }
        | TaskBody::ActivateWarranty { .. } => None,
    };
    step.expect("invariant: what could be asked can be read")
}

/// What an answer shows of the recipient's health.
#[must_use]
pub fn health(response: &Response<Bytes>) -> limits::Outcome {
    let status = response.status();
    if status == http::StatusCode::TOO_MANY_REQUESTS
        || (status == http::StatusCode::SERVICE_UNAVAILABLE
            && response.headers().contains_key(http::header::RETRY_AFTER))
    {
        let seconds = response
            .headers()
            .get(http::header::RETRY_AFTER)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.parse::<u64>().ok())
            .unwrap_or(1);
        limits::Outcome::Throttled {
            retry_after: Duration::from_secs(seconds),
        }
    } else if status.is_server_error() {
        limits::Outcome::Bad
    } else {
        limits::Outcome::Good
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Accepted { .. } => "accepted",
        Outcome::Duplicate { .. } => "duplicate",
        Outcome::Refused { .. } => "refused",
        Outcome::Retry { .. } => "retry",
        Outcome::Account { .. } => "account",
    }
}

fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted { given } | Outcome::Duplicate { given } => given
            .number
            .clone()
            .or(given.state.clone())
            .unwrap_or_default(),
        Outcome::Refused { code, message } => format!("{code}: {message}"),
        Outcome::Retry { reason, .. } | Outcome::Account { reason } => reason.clone(),
    }
}

/// The moment of an outcome, for facts.
#[must_use]
pub fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
