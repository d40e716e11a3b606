//! Numbers as pieces of text: decimal and hexadecimal.

use crate::text::piece::{Backward, Sink};

/// Writes a number in decimal, last digit first. One for each word size, because 64-bit
/// arithmetic costs more.
macro_rules! decimal {
    ($name:ident: $word:ty) => {
        #[inline(never)] // size: one-copy
        fn $name<S: Sink>(mut number: $word, mut sink: S) -> S {
            loop {
                sink = sink.byte(b'0' + (number % 10) as u8);
                number /= 10;
                if number == 0 {
                    return sink;
                }
            }
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
                $decimal(self as $word, sink)
            }
        }

        impl Backward for $signed {
            #[inline(always)] // size: inline-step
            fn prepend_to<S: Sink>(self, sink: S) -> S {
                let sink = $decimal(self.unsigned_abs() as $word, sink);
                if self < 0 { sink.byte(b'-') } else { sink }
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

/// A piece: the number in lowercase hexadecimal, without prefix and leading zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub u64);

impl Backward for Hex {
    fn prepend_to<S: Sink>(self, mut sink: S) -> S {
        let mut number = self.0;
        loop {
            let digit = (number & 15) as u8;
            sink = sink.byte(if digit < 10 {
                b'0' + digit
            } else {
                b'a' - 10 + digit
            });
            number >>= 4;
            if number == 0 {
                return sink;
            }
        }
    }
}
