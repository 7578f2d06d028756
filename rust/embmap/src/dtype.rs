//! The types that a matrix's numbers can have, and float32 to and from each.
//!
//! Rounding is to the nearest, a tie to the even neighbour, so that the value of a number `x` of a row is off by at most
//! 2⁻¹¹ |x| in float16 (2⁻²⁵ where |x| < 2⁻¹⁴), 2⁻⁸ |x| in bfloat16, and half the row's scale in int8: the largest |x| of
//! the row / 254. Numbers near the smallest that float32 holds may be off by 2⁻¹²⁶.

use half::{f16, slice::HalfFloatSliceExt};

/// The type of the matrix's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u32)]
pub enum Dtype {
    /// IEEE 754 binary32.
    #[default]
    Float32 = 0,
    /// IEEE 754 binary16.
    Float16 = 1,
    /// The upper half of a float32.
    BFloat16 = 2,
    /// A whole number from -127 to 127, times its row's scale.
    Int8 = 3,
}

impl Dtype {
    /// All types, each at its number in the header.
    pub const ALL: [Dtype; 4] = [Dtype::Float32, Dtype::Float16, Dtype::BFloat16, Dtype::Int8];

    /// Bytes of one number.
    #[must_use]
    pub const fn size(self) -> usize {
        match self {
            Dtype::Float32 => 4,
            Dtype::Float16 | Dtype::BFloat16 => 2,
            Dtype::Int8 => 1,
        }
    }

    /// The name that NumPy, PyTorch and safetensors' Python use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::Float32 => "float32",
            Dtype::Float16 => "float16",
            Dtype::BFloat16 => "bfloat16",
            Dtype::Int8 => "int8",
        }
    }

    /// The smallest magnitude that rounds to infinity; float32 itself has been checked when it was read.
    pub(crate) fn too_large(self) -> f32 {
        match self {
            Dtype::Float16 => 65_520.0,
            // 2¹²⁸ - 2¹¹⁹, half way between the largest bfloat16 and the next.
            Dtype::BFloat16 => f32::from_bits(0x7f7f_8000),
            Dtype::Float32 | Dtype::Int8 => f32::INFINITY,
        }
    }

    /// Whether the type can hold a row of finite numbers; if not, says why.
    pub(crate) fn accept(self, row: &[f32]) -> Result<(), String> {
        let edge = self.too_large();
        if edge.is_finite()
            && let Some(i) = row.iter().position(|x| x.abs() >= edge)
        {
            return Err(format!("number {} of {}, {}, is too large for {}", i + 1, row.len(), row[i], self.name()));
        }
        Ok(())
    }

    /// Appends `rows` of `dim` numbers to `stored`, and the scale of each to `scales` where the type has any.
    pub(crate) fn encode(self, rows: &[f32], dim: usize, stored: &mut Vec<u8>, scales: &mut Vec<f32>) {
        let start = stored.len();
        stored.resize(start + rows.len() * self.size(), 0);
        let stored = &mut stored[start..];
        match self {
            Dtype::Float32 => stored.copy_from_slice(bytemuck::cast_slice(rows)),
            Dtype::Float16 => {
                let mut halves = [f16::ZERO; 256];
                for (rows, stored) in rows.chunks(256).zip(stored.chunks_mut(512)) {
                    halves[..rows.len()].convert_from_f32_slice(rows);
                    stored.copy_from_slice(bytemuck::cast_slice(&halves[..rows.len()]));
                }
            }
            Dtype::BFloat16 => bfloat16_from(rows, stored.as_chunks_mut::<2>().0),
            Dtype::Int8 => {
                for (row, stored) in rows.chunks_exact(dim).zip(stored.chunks_exact_mut(dim)) {
                    scales.push(int8_from(row, stored));
                }
            }
        }
    }

    /// The float32 values of numbers that were stored with the type, all with one `scale`.
    #[inline]
    pub(crate) fn decode(self, stored: &[u8], scale: f32, values: &mut [f32]) {
        match self {
            Dtype::Float32 => bytemuck::cast_slice_mut(values).copy_from_slice(stored),
            Dtype::Float16 => match bytemuck::try_cast_slice::<u8, f16>(stored) {
                Ok(halves) => halves.convert_to_f32_slice(values),
                Err(_) => {
                    for (value, &bytes) in values.iter_mut().zip(stored.as_chunks::<2>().0) {
                        *value = f16::from_le_bytes(bytes).to_f32();
                    }
                }
            },
            Dtype::BFloat16 => {
                for (value, &bytes) in values.iter_mut().zip(stored.as_chunks::<2>().0) {
                    *value = f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16);
                }
            }
            Dtype::Int8 => {
                for (value, &code) in values.iter_mut().zip(stored) {
                    *value = f32::from(code as i8) * scale;
                }
            }
        }
    }
}

fn bfloat16_from(values: &[f32], stored: &mut [[u8; 2]]) {
    for (value, stored) in values.iter().zip(stored) {
        let bits = value.to_bits();
        // Half of what is cut off, less a little where the kept part is even; finite numbers do not overflow the sum.
        *stored = (((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16).to_le_bytes();
    }
}

/// Stores a row as whole numbers; returns what one of them is worth, 0 where all are too small for any scale.
fn int8_from(row: &[f32], stored: &mut [u8]) -> f32 {
    let largest = row.iter().fold(0f32, |largest, x| largest.max(x.abs()));
    let scale = largest / 127.0;
    let scale = if scale >= f32::MIN_POSITIVE { scale } else { 0.0 };
    // The quotient may have been rounded up, past what 127 times it may be.
    let scale = if (127.0 * scale).is_finite() { scale } else { scale.next_down() };
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    for (&x, stored) in row.iter().zip(stored) {
        // Adding 1.5 × 2²³ leaves the nearest whole number in the low bits: what a rounding instruction does, on every
        // processor.
        *stored = (x * inverse + 12_582_912.0).to_bits() as u8;
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(dtype: Dtype, row: &[f32]) -> (Vec<f32>, f32) {
        let (mut stored, mut scales, mut values) = (Vec::new(), Vec::new(), vec![f32::NAN; row.len()]);
        dtype.encode(row, row.len(), &mut stored, &mut scales);
        assert_eq!(stored.len(), row.len() * dtype.size());
        let scale = scales.first().copied().unwrap_or(0.0);
        dtype.decode(&stored, scale, &mut values);
        (values, scale)
    }

    proptest! {
        #[test]
        fn each_type_is_as_close_as_it_promises(
            row in proptest::collection::vec(prop_oneof![-1f32..1.0, -60_000f32..60_000.0, -1e-5f32..1e-5], 1..600),
        ) {
            prop_assert_eq!(&back(Dtype::Float32, &row).0, &row);
            for (x, y) in row.iter().zip(back(Dtype::Float16, &row).0) {
                prop_assert!((x - y).abs() <= (x.abs() / 2048.0).max(1.0 / 33_554_432.0), "{} {}", x, y);
                prop_assert_eq!(y, f16::from_f32(*x).to_f32());
            }
            for (x, y) in row.iter().zip(back(Dtype::BFloat16, &row).0) {
                prop_assert!((x - y).abs() <= x.abs() / 256.0, "{} {}", x, y);
                prop_assert_eq!(y, half::bf16::from_f32(*x).to_f32());
            }
            let (values, scale) = back(Dtype::Int8, &row);
            for (x, y) in row.iter().zip(values) {
                prop_assert!((x - y).abs() <= scale * 0.500_001 + y.abs() * f32::EPSILON, "{} {} {}", x, y, scale);
            }
        }
    }

    #[test]
    fn int8_rows_at_the_edges() {
        assert_eq!(back(Dtype::Int8, &[0.0, -0.0]), (vec![0.0, 0.0], 0.0));
        assert_eq!(back(Dtype::Int8, &[f32::MIN_POSITIVE, -1e-40]).0, [0.0, 0.0]);
        let (values, scale) = back(Dtype::Int8, &[f32::MAX, -f32::MAX, 1.0]);
        assert!(scale.is_finite() && values[0].is_finite() && values[0] == -values[1]);
        assert!(values[0] > 3.4e38 && values[2] == 0.0);
        assert_eq!(back(Dtype::Int8, &[127.0, -127.0, 2.5, 3.5, -0.4]).0, [127.0, -127.0, 2.0, 4.0, 0.0]);
    }

    #[test]
    fn what_rounds_to_infinity_is_known() {
        for dtype in [Dtype::Float16, Dtype::BFloat16] {
            let edge = dtype.too_large();
            assert_eq!(back(dtype, &[edge]).0, [f32::INFINITY]);
            assert!(back(dtype, &[edge.next_down()]).0[0].is_finite());
        }
    }
}
