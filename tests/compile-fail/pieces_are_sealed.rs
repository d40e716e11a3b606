//! What pieces do is out of reach: nobody else builds a text of them, or makes a piece of their own that
//! could call the flare while a text is being built.
#![forbid(unsafe_code)]

use flaron_sdk::text::Pieces;

pub fn methods_need_the_seal<P: Pieces>(piece: P) {
    let _ = P::backward(()); //~ E0308 expected `Sealed`
    let _ = piece.payload(()); //~ E0308 expected `Sealed`
}

pub fn nor_are_there_others<P: Pieces>(piece: P) {
    let _ = P::ASKS; //~ E0599 ASKS
    let _ = piece.built(); //~ E0599 built
}

pub struct Mine;

impl Pieces for Mine {} //~ E0277 Mine
