//! What an error says.

use std::format;

use super::*;
use crate::testing::{ARENA_FULL, assert_error};

#[test]
fn an_error_says_what_it_came_from() {
    let error = Error::from(ArenaFull);
    assert_error(error, ARENA_FULL);
    assert_eq!(format!("{error:?}"), format!("Error({ARENA_FULL:?})"));
    assert!(error.is_arena_full());
}
