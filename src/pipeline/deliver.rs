//! Deliver: lease, send, and hand the outcome to settling (T3).
//!
//! Each target has a worker of its own that leases only as many tasks as the target's gate lets
//! through now: one dead target starves nobody, and waiting for a rate or a breaker uses up no
//! attempt. The lease is the record of intent. If the process dies after it, the lease expires,
//! the task is due again with an unknown outcome, and the partner is asked before anything is
//! sent again.

use std::sync::Arc;
use std::time::Duration;

use connectors::channel::CallContext;
use connectors::target::LookedUp;
use domain::retry::RetryPolicy;
use domain::task::Outcome;
use jiff::Timestamp;

use crate::bells::News;
use crate::config::TargetConfig;
use crate::crash;
use crate::gateway::Gateway;
use crate::outbound::{Gate, GateKey, limits};
use crate::outbound::{NotSent, SendError, SendOptions};
use crate::pipeline::settle::Input;
use crate::store::outbox::{self, Attempt, Finished, LeasedTask, TaskEnd};

/// A task whose account is refused waits this long: an operator must act first.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(60);

/// Works for one target until shutdown.
pub async fn run(gateway: Arc<Gateway>, target: Arc<TargetConfig>) {
    let Some(gate) = gateway.gates.get(&GateKey::owner(&target.id)) else {
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
            lease(&gateway, &target, slots).await
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
                Arc::clone(&target),
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
    target: &TargetConfig,
    slots: usize,
) -> Vec<(String, LeasedTask)> {
    let now = gateway.now_ms();
    let token = gateway.lease_token();
    // Longer than a call may take, so that a live worker never loses its lease to the clock.
    let lease_ms = i64::try_from(gateway.config.work.lease_s * 1000 + target.calls.timeout_ms * 2)
        .unwrap_or(i64::MAX / 4);
    match outbox::claim(&gateway.db, &target.id, &token, now, now + lease_ms, slots).await {
        Ok(tasks) => tasks.into_iter().map(|t| (token.clone(), t)).collect(),
        Err(error) => {
            tracing::error!(target_id = target.id, error = %crate::telemetry::chain(&error), "could not lease tasks");
            Vec::new()
        }
    }
}

async fn deliver(
    gateway: Arc<Gateway>,
    target: Arc<TargetConfig>,
    gate: Arc<Gate>,
    token: String,
    task: LeasedTask,
) {
    let mut call = Call {
        gateway: &gateway,
        target: &target,
        gate: &gate,
        task: &task,
        attempts: Vec::new(),
    };
    crash::point("deliver.after_lease");
    let end = call.run().await;
    crash::point("deliver.after_send");
    let attempts = call.attempts;
    for attempt in &attempts {
        gateway.metrics.attempt(
            &target.id,
            end.as_str(),
            Duration::from_millis(attempt.duration_ms.unsigned_abs()),
        );
    }
    if let TaskEnd::Dead { reason, .. } = &end {
        tracing::error!(
            target_id = target.id,
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
    target: &'a TargetConfig,
    gate: &'a Arc<Gate>,
    task: &'a LeasedTask,
    attempts: Vec<Attempt>,
}

/// What one request brought.
enum Answer {
    Response(http::Response<bytes::Bytes>),
    Failed(SendError),
    Held(limits::Wait),
}

impl Call<'_> {
    async fn run(&mut self) -> TaskEnd {
        if self.task.unknown
            && let Some(end) = self.look_up().await
        {
            return end;
        }
        self.send().await
    }

    /// Asks the partner what became of an earlier try; `None` means that sending is safe.
    async fn look_up(&mut self) -> Option<TaskEnd> {
        let request = self
            .target
            .target
            .lookup(&self.task.body, &self.task.key, self.context())?;
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
                self.target.target.read_lookup(&self.task.body, &response),
                Some(response.status().as_u16()),
            ),
        };
        let (end, word, detail) = match looked {
            LookedUp::Absent => (None, "absent", String::new()),
            LookedUp::Found(outcome) => {
                let detail = describe(&outcome);
                (Some(self.end_of(outcome, false)), "found", detail)
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

    async fn send(&mut self) -> TaskEnd {
        let request =
            match self
                .target
                .target
                .request(&self.task.body, &self.task.key, self.context())
            {
                Ok(request) => request,
                Err(error) => {
                    let reason = error.to_string();
                    let now = self.gateway.now_ms();
                    self.record("send", now, None, "unbuildable", reason.clone());
                    return TaskEnd::Dead {
                        reason,
                        unknown: false,
                    };
                }
            };
        let started = self.gateway.now_ms();
        match self.exchange(request).await {
            Answer::Held(wait) => self.held(wait),
            Answer::Failed(error) => {
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
                        unknown: false,
                    };
                }
                let unknown = !error.is_not_sent();
                self.again(None, unknown, reason)
            }
            Answer::Response(response) => {
                let status = response.status();
                let outcome = self.target.target.read(&self.task.body, &response);
                self.record(
                    "send",
                    started,
                    Some(status.as_u16()),
                    word(&outcome),
                    describe(&outcome),
                );
                // A partner that breaks in the middle of its work may have done it.
                let unknown =
                    status.is_server_error() || status == http::StatusCode::REQUEST_TIMEOUT;
                self.end_of(outcome, unknown)
            }
        }
    }

    fn context(&self) -> CallContext<'static> {
        CallContext {
            now: self.gateway.clock.now(),
            access_token: None,
        }
    }

    /// One request through the gate, and what it showed of the target's health.
    async fn exchange(&self, request: http::Request<bytes::Bytes>) -> Answer {
        let permit = match self.gate.permit() {
            Ok(permit) => permit,
            Err(wait) => return Answer::Held(wait),
        };
        let options = SendOptions {
            timeout: Duration::from_millis(self.target.calls.timeout_ms),
            internal: self.target.calls.internal,
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
                    target_id = self.target.id,
                    reason,
                    "a target refuses our account; nothing is sent to it until somebody acts"
                );
                self.again(Some(ACCOUNT_PAUSE.as_secs()), false, reason)
            }
        }
    }

    fn again(&self, after_s: Option<u64>, unknown: bool, reason: String) -> TaskEnd {
        let now = self.gateway.now_ms();
        let retry = &self.target.retry;
        let policy = RetryPolicy {
            first_ms: retry.first_ms,
            factor_milli: retry.factor.milli,
            max_ms: retry.max_ms,
            // An invoice has a legal day, not a give-up time: it is alarmed, never dropped.
            give_up_after_s: if self.target.deadline.is_some() {
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

/// What an answer shows of the target's health.
#[must_use]
pub fn health(response: &http::Response<bytes::Bytes>) -> limits::Outcome {
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
