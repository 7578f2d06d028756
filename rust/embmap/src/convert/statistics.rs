//! Mean and standard deviation of each dimension, in one pass.

/// Sums over rows, in float64.
#[derive(Debug, Clone)]
pub(crate) struct Statistics {
    count: u64,
    sums: Vec<f64>,
    squares: Vec<f64>,
}

impl Statistics {
    pub(crate) fn new(dim: usize) -> Statistics {
        Statistics { count: 0, sums: vec![0.0; dim], squares: vec![0.0; dim] }
    }

    pub(crate) fn add_row(&mut self, row: &[f32]) {
        for ((sum, square), &x) in self.sums.iter_mut().zip(&mut self.squares).zip(row) {
            *sum += f64::from(x);
            *square += f64::from(x) * f64::from(x);
        }
        self.count += 1;
    }

    /// Adds the rows of `other`. Batches are added in source order, so that the result does not depend on the threads.
    pub(crate) fn add(&mut self, other: &Statistics) {
        self.count += other.count;
        for (mine, theirs) in [(&mut self.sums, &other.sums), (&mut self.squares, &other.squares)] {
            for (a, b) in mine.iter_mut().zip(theirs) {
                *a += b;
            }
        }
    }

    /// Means, then population standard deviations; zeros without rows.
    pub(crate) fn finish(&self) -> Vec<f64> {
        let n = self.count.max(1) as f64;
        let means = self.sums.iter().map(|sum| sum / n);
        let deviations = self
            .sums
            .iter()
            .zip(&self.squares)
            .map(|(sum, square)| (square / n - (sum / n) * (sum / n)).max(0.0).sqrt());
        means.chain(deviations).collect()
    }
}
