//! Pieces that ask the host.

use crate::arena::ForwardWriter;
use crate::text::piece::{Piece, Sealed, Sink};

/// A piece that the host is asked for: a call of one import, and nothing else.
pub(crate) struct Ask<F>(pub(crate) F);

/// No proof, because there is no value of this type.
#[derive(Clone, Copy)]
#[allow(unreachable_pub, reason = "a sealed trait that is public names it")]
pub enum AsksTheHost {}

impl<F: FnOnce() -> i64> Piece for Ask<F> {
    type Backward = AsksTheHost;

    #[inline(always)] // size: inline-step
    fn backward(_: Sealed) -> Option<AsksTheHost> {
        None
    }

    fn prepend_to<S: Sink>(self, _: S, proof: AsksTheHost) -> S {
        match proof {}
    }

    #[inline(always)] // size: inline-step
    fn append_to(self, text: ForwardWriter) -> ForwardWriter {
        text.ask(self.0)
    }
}
