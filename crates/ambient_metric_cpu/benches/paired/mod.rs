//! Two ways to take the same steps, timed in pairs: one right after the other, so that what else the machine does falls on both alike, and at several
//! places in memory, since a pass takes a fifth more or less time by where its tensors happen to lie.

use std::time::Instant;

/// One way to take the steps.
pub(crate) trait Way<E> {
    /// Takes one.
    fn step(&mut self);

    /// Where it has come to; nothing where both do not take the same steps.
    fn parameters(&self) -> &[E] {
        &[]
    }
}

/// The head of the table, of rows that [`row`] prints: `other` over typed.
pub(crate) fn head(other: &str) {
    println!(
        "| rule | numbers | N | the plain or typed one, ns per step | {other} / that, median | quartiles | of the least |"
    );
    println!("|---|---|---:|---:|---:|---:|---:|");
}

/// One row, of 2^`exponent` parameters: `make` makes both ways anew, the typed one first.
pub(crate) fn row<E: PartialEq>(name: &str, exponent: u32, mut make: impl FnMut() -> [Box<dyn Way<E>>; 2]) {
    // So many steps are timed at once that the clock does not count, and so many pairs that the median stands still.
    let (steps, pairs, places) = match exponent {
        0..6 => (2000, 15, 20),
        6..18 => (40, 15, 40),
        18..24 => (2, 12, 5),
        _ => (1, 7, 3),
    };
    let (mut of_typed, mut ratios, mut least) = (Vec::new(), Vec::new(), [f64::INFINITY; 2]);
    let mut place = 1_usize;
    for _ in 0..places {
        place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // What lies there moves the tensors that are made next.
        let _gap = vec![0_u8; (place >> 33) % 8192];
        let mut ways = make();
        for pair in 0..pairs + 2 {
            let mut times = [0.0; 2];
            for turn in 0..2 {
                let which = (turn + pair) % 2;
                let start = Instant::now();
                (0..steps).for_each(|_| ways[which].step());
                times[which] = start.elapsed().as_secs_f64() * 1e9 / f64::from(steps);
            }
            // The first pairs warm up.
            if pair >= 2 {
                of_typed.push(times[0]);
                ratios.push(times[1] / times[0]);
                least = [least[0].min(times[0]), least[1].min(times[1])];
            }
        }
        assert!(ways[0].parameters() == ways[1].parameters(), "the bits differ");
    }
    println!(
        "| {name} | {} | 2^{exponent} | {:.1} | {:.3} | {:.3}–{:.3} | {:.3} |",
        core::any::type_name::<E>(),
        quantile(&mut of_typed, 0.5),
        quantile(&mut ratios, 0.5),
        quantile(&mut ratios, 0.25),
        quantile(&mut ratios, 0.75),
        least[1] / least[0],
    );
}

fn quantile(numbers: &mut [f64], part: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in a short list")]
    numbers[((numbers.len() - 1) as f64 * part) as usize]
}
