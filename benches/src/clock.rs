//! Measuring time on a machine that does other things as well.

use std::time::{Duration, Instant};

/// How long each of two jobs takes, in nanoseconds: the least of many samples, taken in turns.
///
/// What else the machine does only ever adds to the time, so the least is what the job itself
/// takes; and because the samples alternate, both have had the same chances.
pub fn compare(quick: bool, mut first: impl FnMut(), mut second: impl FnMut()) -> [f64; 2] {
    let (samples, length) = if quick {
        (3, Duration::from_micros(20))
    } else {
        (60, Duration::from_micros(500))
    };
    let rounds = [rounds(length, &mut first), rounds(length, &mut second)];
    let mut least = [f64::INFINITY; 2];
    for _ in 0..samples {
        least[0] = least[0].min(sample(rounds[0], &mut first));
        least[1] = least[1].min(sample(rounds[1], &mut second));
    }
    least
}

/// How often a job has to be done to take this long.
fn rounds(length: Duration, job: &mut impl FnMut()) -> u32 {
    let mut rounds = 1;
    loop {
        let start = Instant::now();
        for _ in 0..rounds {
            job();
        }
        if start.elapsed() >= length || rounds >= 1 << 20 {
            return rounds;
        }
        rounds *= 2;
    }
}

fn sample(rounds: u32, job: &mut impl FnMut()) -> f64 {
    let start = Instant::now();
    for _ in 0..rounds {
        job();
    }
    start.elapsed().as_secs_f64() * 1e9 / f64::from(rounds)
}
