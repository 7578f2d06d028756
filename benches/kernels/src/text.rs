//! Text vectors in memory: numbers N(0, 0.4), as GloVe's are about, in the forms that writers print.

use embmap::unstable::fill_standard;

/// How numbers are printed.
pub struct Form {
    /// As in C, and what is special about the numbers.
    pub name: &'static str,
    print: fn(f64) -> String,
}

/// GloVe's first, then those of word2vec, NumPy, gensim and Python, each with numbers that make it long.
pub const FORMS: [Form; 10] = [
    Form { name: "%.5g", print: |x| general(x, 5) },
    Form { name: "%.5g of small numbers", print: |x| general(x * 1e-5, 5) },
    Form { name: "%lf", print: |x| format!("{x:.6}") },
    Form { name: "%lf of tens", print: |x| format!("{:.6}", 25.0 * x) },
    Form { name: "%lf of hundreds", print: |x| format!("{:.6}", 250.0 * x) },
    Form { name: "%.8g of float32", print: |x| general(f64::from(x as f32), 8) },
    Form { name: "%.9g of float32", print: |x| general(f64::from(x as f32), 9) },
    Form { name: "%.17g", print: |x| general(x, 17) },
    Form { name: "%.5e", print: |x| exponential(x, 5) },
    Form { name: "%d", print: |x| ((25.0 * x) as i32).to_string() },
];

/// `rows` lines of a word and `dim` numbers.
pub fn lines(form: &Form, rows: usize, dim: usize) -> Vec<u8> {
    let mut numbers = vec![0.0; dim];
    let mut text = String::new();
    for i in 0..rows {
        let word = format!("word{i}");
        fill_standard(word.as_bytes(), 0, &mut numbers);
        text += &word;
        for number in &numbers {
            text.push(' ');
            text += &(form.print)(0.4 * number);
        }
        text.push('\n');
    }
    text.into_bytes()
}

/// `%.{digits}g`.
fn general(x: f64, digits: usize) -> String {
    let whole = exponential(x, digits - 1);
    let (mantissa, exponent) = whole.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("digits");
    if exponent < -4 || exponent >= digits as i32 {
        return format!("{}e{exponent:+03}", without_zeros(mantissa));
    }
    without_zeros(&format!("{x:.*}", (digits as i32 - 1 - exponent) as usize)).to_string()
}

/// `%.{decimals}e`.
fn exponential(x: f64, decimals: usize) -> String {
    let whole = format!("{x:.decimals$e}");
    let (mantissa, exponent) = whole.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("digits");
    format!("{mantissa}e{exponent:+03}")
}

fn without_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}
