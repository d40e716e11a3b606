//! What an import answers, and how that reaches the flare: data goes into the arena, as a real host
//! puts it there.

use std::rc::Rc;
use std::vec::Vec;

use crate::arena;
use crate::testing::record::Call;

/// What an import answers.
pub(crate) enum Answer {
    /// Data to be put into the arena; `None` is "no result".
    Data(Option<Vec<u8>>),
    /// A status or number as it is, or a packed address and length.
    Raw(i64),
}

impl Answer {
    pub(crate) fn of(text: impl Into<Vec<u8>>) -> Answer {
        Answer::Data(Some(text.into()))
    }

    pub(crate) fn status(code: i32) -> Answer {
        Answer::Raw(code.into())
    }
}

/// What a test has said that an import shall answer.
pub(crate) type Override = Rc<dyn Fn(&Call) -> Answer>;

/// Puts an answer where a real host puts it: data into the arena.
pub(crate) fn returned(answer: Answer) -> i64 {
    let data = match answer {
        Answer::Data(Some(data)) => data,
        Answer::Data(None) => return 0,
        Answer::Raw(raw) => return raw,
    };
    let Ok(len) = i32::try_from(data.len()) else {
        return 0;
    };
    // An empty result takes one byte, because it has an address.
    let address = arena::guest_alloc(len.max(1));
    if address == 0 {
        return 0;
    }
    arena::host_write(address, &data);
    i64::from(address) << 32 | i64::from(len)
}
