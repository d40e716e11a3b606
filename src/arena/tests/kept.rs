//! Texts that a builder keeps, some of them leased.

use crate::arena::kept::KeptTexts;
use crate::arena::tests::*;

fn kept(text: &str) -> KeptTexts<'static, 1> {
    KeptTexts::leased(leased(text.as_bytes()).into_text())
}

#[test]
fn a_copy_outlives_what_it_is_a_copy_of() {
    let mut texts = KeptTexts::<2>::new();
    texts.put(0, kept("leased"));
    texts.put(1, KeptTexts::borrowed("borrowed"));
    let copy = texts.clone();
    assert_eq!(LIVE.get(), 1 + 2, "with a lease among them, all are copied");
    drop(texts);
    // Into what is free now, if it is.
    let others: Vec<ArenaBytes> = (0..3).map(|_| leased(&[1; 8])).collect();
    assert_eq!((copy.get(0), copy.get(1)), ("leased", "borrowed"));
    drop((copy, others));
    assert!(arena_is_free());
}

#[test]
fn what_is_only_borrowed_is_not_copied() {
    let mut texts = KeptTexts::<1>::new();
    texts.put(0, KeptTexts::borrowed("borrowed"));
    let copy = texts.clone();
    assert_eq!((copy.get(0), LIVE.get()), ("borrowed", 0));
}

#[test]
fn one_that_does_not_fit_is_told() {
    let full = leave_free(8);
    let mut texts = KeptTexts::<1>::new();
    texts.put(0, KeptTexts::copied("12345678"));
    assert!(!texts.is_full() && texts.get(0) == "12345678");
    assert!(texts.clone().is_full(), "there is no room for a copy");
    texts.put(0, KeptTexts::copied("1"));
    assert!(texts.is_full() && texts.clone().is_full());
    drop((full, texts));
    assert!(arena_is_free());
}

#[test]
fn one_that_was_replaced_stays_counted() {
    let mut texts = KeptTexts::<1>::new();
    texts.put(0, kept("first"));
    texts.put(0, kept("second"));
    // There is no such place.
    texts.put(1, kept("third"));
    assert_eq!((texts.get(0), texts.get(1), LIVE.get()), ("second", "", 3));
    drop(texts);
    assert!(arena_is_free());
}
