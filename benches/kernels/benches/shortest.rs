//! Numbers to their shortest text: each kernel beside `zmij` and `ryu`.
//!
//! `cargo bench -p embmap-kernels-bench --bench shortest`. One thread, text to memory, no I/O; throughput in numbers. What is timed
//! has been checked: every text is `zmij`'s.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use embmap::unstable::{hash, kernels, write_numbers};

const NUMBERS: usize = 100_000;

/// About N(0, 0.4), the sum of twelve uniform numbers, rounded by `round`.
fn numbers(round: impl Fn(f64) -> f32) -> Vec<f32> {
    let uniform = |i: usize| hash(&i.to_le_bytes(), 0) as f64 / u64::MAX as f64;
    (0..NUMBERS).map(|i| round(((0..12).map(|j| uniform(12 * i + j)).sum::<f64>() - 6.0) * 0.4)).collect()
}

fn by<'a>(values: &[f32], text: &mut Vec<u8>, format: impl Fn(f32, &mut Vec<u8>) + 'a) -> usize {
    text.clear();
    for &value in values {
        text.push(b' ');
        format(value, text);
    }
    text.len()
}

fn zmij(value: f32, text: &mut Vec<u8>) {
    text.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
}

fn ryu(value: f32, text: &mut Vec<u8>) {
    text.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
}

fn shortest(criterion: &mut Criterion) {
    for (name, values) in [
        ("float32", numbers(|x| x as f32)),
        ("5 decimals", numbers(|x| ((x * 1e5).round() / 1e5) as f32)),
        ("bfloat16", numbers(|x| f32::from_bits((x as f32).to_bits() & 0xffff_0000))),
    ] {
        let (mut text, mut expected) = (Vec::new(), Vec::new());
        by(&values, &mut expected, zmij);
        let mut group = criterion.benchmark_group("shortest");
        group.throughput(Throughput::Elements(NUMBERS as u64));
        for kernel in kernels() {
            let length = write_numbers(kernel, &values, &mut text);
            assert!(text[..length] == expected, "{kernel} writes {name} wrongly");
            group.bench_function(BenchmarkId::new(name, kernel), |bencher| {
                bencher.iter(|| write_numbers(kernel, black_box(&values), &mut text));
            });
        }
        group.bench_function(BenchmarkId::new(name, "zmij"), |bencher| {
            bencher.iter(|| by(black_box(&values), &mut text, zmij));
        });
        group.bench_function(BenchmarkId::new(name, "ryu"), |bencher| {
            bencher.iter(|| by(black_box(&values), &mut text, ryu));
        });
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = shortest
}
criterion_main!(benches);
