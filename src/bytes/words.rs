//! Copying text a word at a time, where every byte of the word may be copied as it is.

#![allow(
    unsafe_code,
    reason = "it reads and writes words where there are cells of bytes"
)]

use core::cell::Cell;
use core::slice;

/// Moves whole words from where one iterator is to where the other is, as long as there are such and
/// `all` says yes to them. The two may go over the same bytes.
///
/// It begins only where a word is aligned: called before each byte of a text, it costs a look at the
/// address before most of them.
#[inline(always)] // size: inline-step
pub(crate) fn move_words(
    from: &mut slice::Iter<'_, Cell<u8>>,
    to: &mut slice::Iter<'_, Cell<u8>>,
    all: impl Fn(usize) -> bool,
) {
    const WORD: usize = size_of::<usize>();
    let mut input = from.as_slice();
    if input.as_ptr().addr() % WORD != 0 {
        return;
    }
    while let (Some((word, behind_word)), Some((place, behind_place))) = (
        input.split_first_chunk::<WORD>(),
        to.as_slice().split_first_chunk::<WORD>(),
    ) {
        // SAFETY: there are as many cells as a word has bytes; any bytes are a number.
        let word = unsafe { word.as_ptr().cast::<usize>().read_unaligned() };
        if !all(word) {
            break;
        }
        // SAFETY: as many cells again, which may be written to although they are shared. No other
        // thread could look at them (cells are not `Sync`), and there is no reference to what is in
        // them.
        unsafe {
            place
                .as_ptr()
                .cast_mut()
                .cast::<usize>()
                .write_unaligned(word)
        }
        input = behind_word;
        *from = input.iter();
        *to = behind_place.iter();
    }
}
