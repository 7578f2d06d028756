//! Text to numbers: each kernel, alone, beside `memchr` for the separators and `fast-float2` for the numbers.
//!
//! `cargo bench -p embmap-kernels-bench --bench parse`. One thread, text in memory, no I/O; throughput in bytes of text.
//! `fast-float2` gets its fields from the fastest kernel here, so that the difference is in the numbers alone. What is timed
//! has been checked: every value is the float64 of `fast-float2`, rounded to float32.

use std::{hint::black_box, time::Duration};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use embmap::unstable::{Text, fields, index, kernels, parse};
use embmap_kernels_bench::text::{FORMS, lines};

const ROWS: usize = 1500;
const DIM: usize = 300;

/// The numbers of every line, by `fast-float2`.
fn rival<T: fast_float2::FastFloat>(text: &Text, mut each: impl FnMut(T)) {
    let mut left = 0;
    fields(kernels()[0], text, b' ', |field| {
        if left == 0 {
            // The word.
            left = DIM;
        } else {
            each(fast_float2::parse(field).expect("a number"));
            left -= 1;
        }
    });
}

fn check(text: &Text, form: &str) {
    let mut expected = Vec::new();
    rival(text, |value: f64| expected.push((value as f32).to_bits()));
    assert_eq!(expected.len(), ROWS * DIM);
    for kernel in kernels() {
        let mut found = Vec::new();
        parse(kernel, text, b' ', &mut [0.0; DIM], |word, row| {
            assert!(word.is_some(), "{kernel} refuses {form}");
            found.extend(row.iter().map(|value| value.to_bits()));
        });
        assert!(found == expected, "{kernel} reads {form} wrongly");
    }
}

fn separators(criterion: &mut Criterion) {
    let lines = lines(&FORMS[0], ROWS, DIM);
    let text = Text::new(&lines);
    let mut group = criterion.benchmark_group("separators");
    group.throughput(Throughput::Bytes(lines.len() as u64));
    for kernel in kernels() {
        assert_eq!(index(kernel, &text, b' '), ROWS);
        group.bench_function(kernel, |bencher| bencher.iter(|| index(kernel, black_box(&text), b' ')));
    }
    let mut places = Vec::with_capacity(ROWS * (DIM + 1));
    group.bench_function("memchr", |bencher| {
        bencher.iter(|| {
            places.clear();
            places.extend(memchr::memchr2_iter(b' ', b'\n', black_box(&lines)).map(|place| place as u32));
            assert_eq!(places.len(), ROWS * (DIM + 1));
        });
    });
    group.finish();
}

fn numbers(criterion: &mut Criterion) {
    for form in FORMS {
        let lines = lines(&form, ROWS, DIM);
        let text = Text::new(&lines);
        check(&text, form.name);
        let mut group = criterion.benchmark_group("numbers");
        group.throughput(Throughput::Bytes(lines.len() as u64));
        let mut row = [0.0; DIM];
        for kernel in kernels() {
            group.bench_function(BenchmarkId::new(form.name, kernel), |bencher| {
                bencher.iter(|| {
                    parse(kernel, black_box(&text), b' ', &mut row, |_, row| {
                        black_box(row);
                    });
                });
            });
        }
        group.bench_function(BenchmarkId::new(form.name, "fast-float2"), |bencher| {
            bencher.iter(|| {
                let mut i = 0;
                rival(black_box(&text), |value: f32| {
                    row[i] = value;
                    i = (i + 1) % DIM;
                });
                black_box(&row);
            });
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
    targets = separators, numbers
}
criterion_main!(benches);
