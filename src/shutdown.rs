//! A graceful stop: one trigger that everybody can see, and a count of those still at work.
//!
//! It does not know what the tasks do. A task watches [`Shutdown::triggered`] between two pieces
//! of work and returns; whatever it cannot finish is safe to drop, because the database decides
//! what happened.

use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal as UnixSignal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};
use tokio_util::task::TaskTracker;

/// Tasks that were still at work when the grace period ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{tasks} tasks were still at work when the grace period ended")]
pub struct Unfinished {
    /// How many.
    pub tasks: usize,
}

/// The handle to one stop, shared by cloning.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    token: CancellationToken,
    tasks: TaskTracker,
}

impl Shutdown {
    /// A stop that nobody has triggered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to stop. Repeats change nothing.
    pub fn trigger(&self) {
        self.token.cancel();
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Completes once a stop was asked for; at once if it already was.
    pub fn triggered(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// A token that is cancelled by the stop, for code that takes one (such as a web server).
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        self.token.child_token()
    }

    /// Starts a task that [`Shutdown::wait`] waits for. The task must watch
    /// [`Shutdown::triggered`] itself; it is never cut off in the middle by the trigger.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tasks.spawn(task)
    }

    /// Counts a future that runs elsewhere among those that [`Shutdown::wait`] waits for.
    pub fn track<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.tasks.track_future(future)
    }

    /// How many tasks are at work.
    #[must_use]
    pub fn at_work(&self) -> usize {
        self.tasks.len()
    }

    /// Waits until a stop was asked for, then for the tasks, but no longer than `grace`.
    ///
    /// # Errors
    /// [`Unfinished`] with the number of tasks that `grace` was too short for.
    pub async fn wait(&self, grace: Duration) -> Result<(), Unfinished> {
        self.token.cancelled().await;
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait())
            .await
            .map_err(|_elapsed| Unfinished {
                tasks: self.tasks.len(),
            })
    }

    /// Triggers the stop at the first SIGTERM or SIGINT. The handlers are in place when this
    /// returns. A second signal ends the process at once with exit code 130, for the person who
    /// does not want to wait.
    ///
    /// # Errors
    /// If the system refuses a handler.
    pub fn trigger_on_signals(&self) -> io::Result<()> {
        let mut signals = signals()?;
        let shutdown = self.clone();
        // Not tracked: it waits for the second signal and must not hold the stop up.
        tokio::spawn(async move {
            let signal = signals.next().await;
            tracing::info!(signal = signal.name(), "stopping after a signal");
            shutdown.trigger();
            let signal = signals.next().await;
            tracing::warn!(
                signal = signal.name(),
                "stopping at once after a second signal"
            );
            #[expect(clippy::disallowed_methods, reason = "a second signal means at once")]
            std::process::exit(130);
        });
        Ok(())
    }
}

/// A signal that asks the process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, from the service manager.
    Terminate,
    /// SIGINT, from the keyboard.
    Interrupt,
}

impl Signal {
    /// The name that people know it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }
}

/// The stop signals of this process, one after another.
#[derive(Debug)]
pub struct Signals {
    terminate: UnixSignal,
    interrupt: UnixSignal,
}

/// Installs handlers for SIGTERM and SIGINT; from here on neither ends the process by itself.
///
/// # Errors
/// If the system refuses a handler.
pub fn signals() -> io::Result<Signals> {
    Ok(Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    })
}

impl Signals {
    /// Waits for the next signal. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stop_lets_each_task_finish_its_piece_of_work() {
        let shutdown = Shutdown::new();
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let seen = shutdown.clone();
        shutdown.spawn(async move {
            seen.triggered().await;
            tokio::task::yield_now().await;
            sender.send("finished").unwrap();
        });
        assert_eq!(shutdown.at_work(), 1);
        shutdown.trigger();
        shutdown.wait(Duration::from_secs(60)).await.unwrap();
        assert_eq!(receiver.await.unwrap(), "finished");
    }

    #[tokio::test]
    async fn a_task_that_does_not_stop_is_counted_and_left_behind() {
        let shutdown = Shutdown::new();
        shutdown.spawn(std::future::pending::<()>());
        shutdown.trigger();
        let left = shutdown.wait(Duration::from_millis(5)).await;
        assert_eq!(left, Err(Unfinished { tasks: 1 }));
    }

    #[tokio::test]
    async fn a_token_given_away_follows_the_stop_but_cannot_cause_it() {
        let shutdown = Shutdown::new();
        let given = shutdown.token();
        given.cancel();
        assert!(!shutdown.is_triggered());
        let other = shutdown.token();
        shutdown.trigger();
        other.cancelled().await;
    }

    #[tokio::test]
    async fn sigterm_is_caught() {
        let mut signals = signals().unwrap();
        let sent = std::process::Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh"])
            .arg(std::process::id().to_string())
            .status()
            .unwrap();
        assert!(sent.success());
        assert_eq!(signals.next().await, Signal::Terminate);
    }
}
