//! Measuring time on a machine that is busy with other work, too.

use std::time::{Duration, Instant};

/// How long each of two jobs takes, in nanoseconds: the least of many samples, taken in turns.
///
/// Other work on the machine can only add to a sample, so the minimum is closest to what the job itself
/// takes; and since the samples alternate, neither job is favoured.
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

/// How many repetitions of a job take about this long.
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
