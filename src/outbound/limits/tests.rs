//! A gate's behaviour, on a clock that moves when told.

use super::*;
use crate::clock::FakeClock;

const SECOND: Duration = Duration::from_secs(1);

fn number(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn limits() -> Limits {
    Limits {
        rate: Some(Rate::per_second(number(10), number(20))),
        concurrency: number(4),
        breaker: Some(breaker::Settings {
            failures: 3,
            window_ms: 30_000,
            cool_down_ms: 10_000,
        }),
    }
}

fn gate(limits: Limits) -> (Arc<Gate>, FakeClock) {
    let clock = FakeClock::at_ms(0);
    (Gate::new(limits, clock.shared()), clock)
}

fn fail(gate: &Arc<Gate>, times: u32) {
    for _ in 0..times {
        gate.permit().unwrap().report(Outcome::Bad);
    }
}

#[test]
fn no_more_calls_run_at_once_than_may() {
    let (gate, _clock) = gate(limits());
    assert_eq!(gate.free_slots(), 4);
    let permits: Vec<Permit> = (0..4).map(|_| gate.permit().unwrap()).collect();
    assert_eq!(gate.free_slots(), 0);
    assert_eq!(gate.permit().unwrap_err().cause, Cause::Concurrency);
    assert_eq!(gate.state().in_flight, 4);
    drop(permits);
    assert_eq!(gate.free_slots(), 4);
}

#[test]
fn a_used_up_rate_names_the_wait_and_ends_with_it() {
    let (gate, clock) = gate(limits());
    for _ in 0..20 {
        gate.permit().unwrap().report(Outcome::Good);
    }
    assert_eq!(gate.free_slots(), 0);
    let wait = gate.permit().unwrap_err();
    assert_eq!(wait.cause, Cause::Rate);
    clock.advance(wait.retry_in.unwrap());
    assert_eq!(gate.free_slots(), 1);
    gate.permit().unwrap().report(Outcome::Good);
}

#[test]
fn as_many_permits_are_given_as_slots_were_promised() {
    let (gate, clock) = gate(Limits {
        rate: Some(Rate::per_second(number(10), number(3))),
        ..limits()
    });
    for step in [0, 150, 150, 1000, 50] {
        clock.advance(Duration::from_millis(step));
        let promised = gate.free_slots();
        let permits: Vec<Permit> = (0..promised).map(|_| gate.permit().unwrap()).collect();
        assert!(gate.permit().is_err());
        drop(permits);
    }
}

#[test]
fn a_dead_target_is_left_alone_then_tried_with_one_call() {
    let (gate, clock) = gate(limits());
    fail(&gate, 3);
    let wait = gate.permit().unwrap_err();
    assert_eq!(wait.cause, Cause::Breaker);
    assert_eq!(wait.retry_in, Some(10 * SECOND));
    assert_eq!(gate.free_slots(), 0);

    clock.advance(10 * SECOND);
    assert_eq!(gate.state().breaker, BreakerState::HalfOpen);
    assert_eq!(gate.free_slots(), 1);
    let probe = gate.permit().unwrap();
    assert_eq!(gate.free_slots(), 0);
    assert_eq!(gate.permit().unwrap_err().cause, Cause::Breaker);
    assert_eq!(probe.report(Outcome::Good), Change::Closed);
    assert_eq!(gate.state().breaker, BreakerState::Closed);
    assert_eq!(gate.free_slots(), 4);
}

#[test]
fn a_failed_try_closes_the_gate_again() {
    let (gate, clock) = gate(limits());
    fail(&gate, 3);
    clock.advance(10 * SECOND);
    fail(&gate, 1);
    assert_eq!(gate.permit().unwrap_err().cause, Cause::Breaker);
}

#[test]
fn a_try_that_was_given_up_does_not_block_the_next() {
    let (gate, clock) = gate(limits());
    fail(&gate, 3);
    clock.advance(10 * SECOND);
    drop(gate.permit().unwrap());
    assert_eq!(gate.free_slots(), 1);
    gate.permit().unwrap().report(Outcome::Good);
}

#[test]
fn a_target_that_asks_for_a_pause_gets_it_and_is_not_called_broken() {
    let (gate, clock) = gate(limits());
    for _ in 0..4 {
        gate.report(Outcome::Throttled {
            retry_after: 7 * SECOND,
        });
    }
    assert_eq!(gate.state().breaker, BreakerState::Closed);
    let wait = gate.permit().unwrap_err();
    assert_eq!(wait.cause, Cause::Throttled);
    assert_eq!(wait.retry_in, Some(7 * SECOND));
    clock.advance(7 * SECOND);
    assert_eq!(gate.free_slots(), 4);
}

#[test]
fn an_absurd_retry_after_is_capped() {
    let (gate, clock) = gate(limits());
    gate.report(Outcome::Throttled {
        retry_after: Duration::MAX,
    });
    clock.advance(MAX_PAUSE);
    assert_eq!(gate.free_slots(), 4);
}

#[test]
fn a_broken_account_waits_for_its_pause_or_for_a_person() {
    let (gate, _clock) = gate(limits());
    gate.report(Outcome::Account {
        pause: 900 * SECOND,
    });
    gate.report(Outcome::Throttled {
        retry_after: SECOND,
    });
    assert_eq!(gate.permit().unwrap_err().cause, Cause::Account);
    gate.resume();
    assert_eq!(gate.free_slots(), 4);
}

#[test]
fn a_corrected_wall_clock_changes_nothing() {
    let (gate, clock) = gate(limits());
    fail(&gate, 3);
    clock.set(jiff::Timestamp::from_millisecond(-3_600_000).unwrap());
    clock.advance(10 * SECOND);
    assert_eq!(gate.free_slots(), 1);
}

#[test]
fn what_we_did_wrong_ourselves_is_not_held_against_the_target() {
    assert_eq!(Outcome::of_failure(&NotSent::Invalid.into()), None);
    let refused = NotSent::Dns {
        host: "x.example".to_owned(),
    };
    assert_eq!(Outcome::of_failure(&refused.into()), Some(Outcome::Bad));
}
