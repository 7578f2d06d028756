//! Rows for missing words: normal deviates that follow from a seed and a word alone.
//!
//! The same word gets the same row in every order, on every run, on every platform: bits come from a counter keyed by the
//! word's hash, and become deviates through the inverse of the normal distribution function (Wichura 1988, algorithm
//! AS 241, PPND16, relative accuracy about 1e-16), which needs nothing but IEEE arithmetic, a square root and one logarithm;
//! that one comes from a portable library, not from the platform's.

use crate::{
    error::{Error, Result},
    format::hash::{hash, seed_from},
    sys::threads::in_parts,
};

/// Numbers that are worth a thread of their own.
const NUMBERS_PER_THREAD: usize = 1 << 16;

/// Fills `row` with deviates of mean 0 and deviation 1 for `word` under `seed`.
pub fn fill_standard(word: &[u8], seed: u64, row: &mut [f64]) {
    let material = hash(word, seed_from(seed, 0));
    for (counter, value) in row.iter_mut().enumerate() {
        let bits = seed_from(material, counter as u64) >> 12;
        // The middle of one of 2⁵² intervals, exact in float64: never 0, never 1.
        *value = inverse_cdf((bits as f64 + 0.5) / (1u64 << 52) as f64);
    }
}

/// Fills row `i` of `out` for `words[i]`: `mean[j] + deviation[j] * deviate`, in float64, rounded to float32.
pub fn fill_rows(words: &[&[u8]], seed: u64, mean: &[f64], deviation: &[f64], out: &mut [f32]) -> Result<()> {
    let dim = mean.len();
    for (name, expected, found) in [("deviation", dim, deviation.len()), ("out", words.len() * dim, out.len())] {
        if found != expected {
            return Err(Error::Length { name, expected, found });
        }
    }
    if dim == 0 {
        return Ok(());
    }
    in_parts(words, out, dim, NUMBERS_PER_THREAD.div_ceil(dim), |_, words, out| {
        let mut deviates = vec![0.0; dim];
        for (word, row) in words.iter().zip(out.chunks_exact_mut(dim)) {
            fill_standard(word, seed, &mut deviates);
            for (j, value) in row.iter_mut().enumerate() {
                *value = (mean[j] + deviation[j] * deviates[j]) as f32;
            }
        }
        Ok(())
    })
}

/// The value that a standard normal deviate stays below with probability `p`, for 0 < `p` < 1.
#[must_use]
pub fn inverse_cdf(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180625 - q * q;
        return q * ratio(r, &CENTRAL);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail)).sqrt();
    let value = if r <= 5.0 { ratio(r - 1.6, &MIDDLE) } else { ratio(r - 5.0, &FAR) };
    if q < 0.0 { -value } else { value }
}

/// Numerator and denominator, constant term first.
type Ratio = [[f64; 8]; 2];

fn ratio(r: f64, [numerator, denominator]: &Ratio) -> f64 {
    let polynomial = |terms: &[f64; 8]| terms.iter().rev().fold(0.0, |sum, term| sum * r + term);
    polynomial(numerator) / polynomial(denominator)
}

#[allow(clippy::excessive_precision, clippy::unreadable_literal)]
mod coefficients {
    use super::Ratio;

    pub(super) const CENTRAL: Ratio = [
        [
            3.3871328727963666080e0,
            1.3314166789178437745e+2,
            1.9715909503065514427e+3,
            1.3731693765509461125e+4,
            4.5921953931549871457e+4,
            6.7265770927008700853e+4,
            3.3430575583588128105e+4,
            2.5090809287301226727e+3,
        ],
        [
            1.0,
            4.2313330701600911252e+1,
            6.8718700749205790830e+2,
            5.3941960214247511077e+3,
            2.1213794301586595867e+4,
            3.9307895800092710610e+4,
            2.8729085735721942674e+4,
            5.2264952788528545610e+3,
        ],
    ];
    pub(super) const MIDDLE: Ratio = [
        [
            1.42343711074968357734e0,
            4.63033784615654529590e0,
            5.76949722146069140550e0,
            3.64784832476320460504e0,
            1.27045825245236838258e0,
            2.41780725177450611770e-1,
            2.27238449892691845833e-2,
            7.74545014278341407640e-4,
        ],
        [
            1.0,
            2.05319162663775882187e0,
            1.67638483018380384940e0,
            6.89767334985100004550e-1,
            1.48103976427480074590e-1,
            1.51986665636164571966e-2,
            5.47593808499534494600e-4,
            1.05075007164441684324e-9,
        ],
    ];
    pub(super) const FAR: Ratio = [
        [
            6.65790464350110377720e0,
            5.46378491116411436990e0,
            1.78482653991729133580e0,
            2.96560571828504891230e-1,
            2.65321895265761230930e-2,
            1.24266094738807843860e-3,
            2.71155556874348757815e-5,
            2.01033439929228813265e-7,
        ],
        [
            1.0,
            5.99832206555887937690e-1,
            1.36929880922735805310e-1,
            1.48753612908506148525e-2,
            7.86869131145613259100e-4,
            1.84631831751005468180e-5,
            1.42151175831644588870e-7,
            2.04426310338993978564e-15,
        ],
    ];
}
use coefficients::{CENTRAL, FAR, MIDDLE};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_the_published_ones() {
        for (p, expected) in [
            (0.5, 0.0),
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813),
            (1e-20, -9.262_340_089_798_409),
            (0.975, 1.959_963_984_540_054),
        ] {
            let found = inverse_cdf(p);
            assert!((found - expected).abs() <= 4e-15 * f64::max(1.0, expected.abs()), "{p}: {found}");
        }
    }

    #[test]
    fn a_word_has_one_row_and_another_word_another() {
        let row = |word: &str, seed| {
            let mut row = [0.0; 4];
            fill_standard(word.as_bytes(), seed, &mut row);
            row
        };
        assert_eq!(row("a", 0), row("a", 0));
        assert_ne!(row("a", 0), row("b", 0));
        assert_ne!(row("a", 0), row("a", 1));
    }
}
