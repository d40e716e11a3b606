//! Merging, in any order.

use super::*;
use crate::capability::plasma::clock::HybridClock;
use crate::capability::plasma::crdt::{Count, KeyState, Stamp};

fn count(epoch: u64, up: u64) -> Count {
    Count { epoch, up, down: 0 }
}

fn counted(base: u64, counts: &[(&str, Count)]) -> KeyState {
    KeyState {
        base: Stamp {
            time: base,
            actor: "d~1".into(),
        },
        value: None,
        counts: counts.iter().map(|(a, c)| ((*a).into(), *c)).collect(),
    }
}

/// The counter is deleted and the nodes forget the delete at different times; in between, one of
/// them continues counting from the remains, the other from nothing. Sums with different bases once
/// hid each other.
#[test]
fn counting_while_a_delete_is_forgotten_loses_nothing() {
    let tombstone = counted(100, &[]);
    let mut a = KeyState::default(); // has forgotten it
    let mut b = tombstone.clone(); // has not
    a.add(&"a~1".into(), 200, 7, 0);
    b.add(&"b~1".into(), 200, 3, 0);
    let (mut ab, mut ba) = (a.clone(), b.clone());
    ab.merge(&b);
    ba.merge(&a);
    assert_eq!((ab.counter(), ba.counter()), (Some(10), Some(10)));
}

/// A node that was away when a counter was deleted comes back after everyone has forgotten the
/// delete. Its old sum for an actor must not hide what the actor has counted since.
#[test]
fn an_old_sum_that_comes_back_hides_nothing() {
    let old = counted(0, &[("a~1", count(50, 100))]);
    let mut now = KeyState::default();
    now.add(&"a~1".into(), 200, 7, 0);
    let mut merged = old.clone();
    merged.merge(&now);
    assert_eq!(merged.counter(), Some(7));
    now.merge(&old);
    assert_eq!(now.counter(), Some(7));
}

#[test]
fn stamps_that_are_a_day_ahead_do_not_move_the_clock() {
    let day = 24 * 60 * 60 * 1000;
    let now = 20_000 * day;
    let mut clock = HybridClock::new(Arc::new(move || now), 0);
    assert!(clock.is_credible((now + day) << 16));
    assert!(!clock.is_credible((now + day + 1) << 16));
    assert!(!clock.is_credible(u64::MAX));
    clock.see((1 << 63) - 1);
    assert_eq!(clock.next(), now << 16);
    clock.see((now + day) << 16);
    assert_eq!(clock.next(), ((now + day) << 16) + 1);
}

#[test]
fn a_clock_that_is_set_back_goes_on() {
    let mut clock = HybridClock::new(Arc::new(|| 5), 700 << 16);
    assert_eq!(clock.next(), (700 << 16) + 1);
    assert_eq!(clock.ahead_ms(), 695);
}
