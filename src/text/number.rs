//! Numbers as pieces of text: decimal and hexadecimal.

use crate::bytes::number::hex_digit;
use crate::text::piece::{Backward, Sink};

/// Writes a number in decimal, last digit first, for sinks that can only put bytes in front.
macro_rules! decimal {
    ($name:ident: $word:ty) => {
        pub(super) fn $name<S: Sink>(mut number: $word, is_negative: bool, mut sink: S) -> S {
            loop {
                sink = sink.byte(b'0' + (number % 10) as u8);
                number /= 10;
                if number == 0 {
                    break;
                }
            }
            if is_negative { sink.byte(b'-') } else { sink }
        }
    };
}
decimal!(decimal_u32: u32);
decimal!(decimal_u64: u64);

macro_rules! number_pieces {
    ($($unsigned:ty, $signed:ty => $decimal:ident($word:ty);)*) => {$(
        impl Backward for $unsigned {
            #[inline(always)] // size: inline-step
            fn prepend_to<S: Sink>(self, sink: S) -> S {
                sink.$decimal(self as $word, false)
            }
        }

        impl Backward for $signed {
            #[inline(always)] // size: inline-step
            fn prepend_to<S: Sink>(self, sink: S) -> S {
                sink.$decimal(self.unsigned_abs() as $word, self < 0)
            }
        }
    )*};
}

number_pieces! {
    u8, i8 => decimal_u32(u32);
    u16, i16 => decimal_u32(u32);
    u32, i32 => decimal_u32(u32);
    u64, i64 => decimal_u64(u64);
}
#[cfg(target_pointer_width = "32")]
number_pieces! { usize, isize => decimal_u32(u32); }
#[cfg(not(target_pointer_width = "32"))]
number_pieces! { usize, isize => decimal_u64(u64); }

/// A piece: the number in lowercase hexadecimal, without a prefix or leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Backward for Hex {
    fn prepend_to<S: Sink>(self, mut sink: S) -> S {
        let mut number = self.0;
        loop {
            let digit = (number & 15) as u8;
            sink = sink.byte(hex_digit(digit));
            number >>= 4;
            if number == 0 {
                return sink;
            }
        }
    }
}
