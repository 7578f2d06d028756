//! Products of one query and rows of four bits a number, for the planes of the screening copy.

use super::screen::plane_len;
use crate::sys::{
    prefetch::prefetch_for_later,
    simd::{Isa, Kernel},
};

/// Bytes that a vector has, the widest.
const VECTOR: usize = 64;
/// Bytes asked for ahead of the row that is multiplied.
const AHEAD: usize = 16384;

/// A query's codes as a row's halves lie: those of its first numbers, and of its second ones, zeros behind them.
pub(crate) struct NibbleQuery {
    first: Vec<[i8; VECTOR]>,
    second: Vec<[i8; VECTOR]>,
    /// Bytes of a row.
    length: usize,
}

impl NibbleQuery {
    pub(crate) fn new(codes: &[i8]) -> NibbleQuery {
        let length = plane_len(codes.len());
        let padded = |codes: &[i8]| {
            let mut padded = vec![[0; VECTOR]; length.div_ceil(VECTOR)];
            padded.as_flattened_mut()[..codes.len()].copy_from_slice(codes);
            padded
        };
        let (first, second) = codes.split_at(length);
        NibbleQuery { first: padded(first), second: padded(second), length }
    }

    /// The sum of products with each row of a plane, 16 times.
    ///
    /// # Panics
    ///
    /// Where there is not a row for each product.
    #[allow(unsafe_code)]
    pub(crate) fn multiply(&self, kernel: Kernel, rows: &[u8], products: &mut [i32]) {
        assert_eq!(rows.len(), products.len() * self.length, "lengths that do not fit");
        match kernel.isa() {
            Isa::Scalar => self.portable(rows, products),
            // SAFETY: a kernel is made by detection alone, so the processor has the instructions of its name.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 | Isa::Avx512 => unsafe { self.avx2(rows, products) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni | Isa::Avx512Vbmi2 => unsafe { self.vnni(rows, products) },
        }
    }

    fn portable(&self, rows: &[u8], products: &mut [i32]) {
        let (first, second) = (self.first.as_flattened(), self.second.as_flattened());
        for (row, product) in rows.chunks_exact(self.length).zip(products) {
            let both = |((&byte, &first), &second): ((&u8, &i8), &i8)| {
                16 * i32::from(byte & 15) * i32::from(first) + i32::from(byte & !15) * i32::from(second)
            };
            *product = row.iter().zip(first).zip(second).map(both).sum();
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    fn vnni(&self, rows: &[u8], products: &mut [i32]) {
        use std::arch::x86_64::*;

        let (fours, few) = products.as_chunks_mut::<4>();
        let (of_fours, of_few) = rows.split_at(4 * self.length * fours.len());
        for (rows, products) in of_fours.chunks_exact(4 * self.length).zip(fours) {
            let [a, b, c, d] = self.vnni_rows(rows);
            *products = bytemuck::cast(_mm_hadd_epi32(_mm_hadd_epi32(a, b), _mm_hadd_epi32(c, d)));
        }
        for (row, product) in of_few.chunks_exact(self.length).zip(few) {
            let [sums] = self.vnni_rows(row);
            *product = bytemuck::cast::<_, [i32; 4]>(sums).iter().sum();
        }
    }

    /// For each row four sums, whose sum is the product.
    #[inline]
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    #[allow(unsafe_code)]
    fn vnni_rows<const ROWS: usize>(&self, rows: &[u8]) -> [std::arch::x86_64::__m128i; ROWS] {
        use std::arch::x86_64::*;

        let (lower, upper) = (_mm512_set1_epi8(15), _mm512_set1_epi8(!15));
        let mut sums = [[_mm512_setzero_si512(); 2]; ROWS];
        let add = |sums: &mut [__m512i; 2], bytes: __m512i, first: __m512i, second: __m512i| {
            sums[0] = _mm512_dpbusd_epi32(sums[0], _mm512_and_si512(bytes, lower), first);
            sums[1] = _mm512_dpbusd_epi32(sums[1], _mm512_and_si512(bytes, upper), second);
        };
        assert_eq!(rows.len(), ROWS * self.length, "lengths that do not fit");
        let (whole, rest) = (self.length / VECTOR, self.length % VECTOR);
        for (i, (first, second)) in self.first.iter().zip(&self.second).enumerate() {
            let (first, second) = (bytemuck::cast(*first), bytemuck::cast(*second));
            let inside = if i < whole { !0 } else { (1u64 << rest) - 1 };
            for (row, sums) in sums.iter_mut().enumerate() {
                let at = rows.as_ptr().wrapping_add(row * self.length + i * VECTOR);
                prefetch_for_later(at.wrapping_add(AHEAD));
                // SAFETY: row `row` is `length` bytes from `row × length` on, all in `rows` as has just been checked; the mask has
                // a bit for each byte of it from the `i`-th vector on, up to a whole one, and no other.
                let bytes = unsafe { _mm512_maskz_loadu_epi8(inside, at.cast()) };
                add(sums, bytes, first, second);
            }
        }
        // Lanes are added in halves.
        std::array::from_fn(|row| {
            let sum = _mm512_add_epi32(_mm512_slli_epi32::<4>(sums[row][0]), sums[row][1]);
            let sum = _mm256_add_epi32(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum));
            _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum))
        })
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn avx2(&self, rows: &[u8], products: &mut [i32]) {
        use std::arch::x86_64::*;

        let (low, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        let (first, second) = (self.first.as_flattened(), self.second.as_flattened());
        let (first, second) = (first.as_chunks::<32>().0, second.as_chunks::<32>().0);
        for (row, product) in rows.chunks_exact(self.length).zip(products) {
            let (blocks, rest) = row.as_chunks::<32>();
            let mut last = [0; 32];
            last[..rest.len()].copy_from_slice(rest);
            let mut sum = _mm256_setzero_si256();
            for ((block, first), second) in blocks.iter().chain([&last]).zip(first).zip(second) {
                prefetch_for_later(block.as_ptr().wrapping_add(AHEAD));
                let bytes: __m256i = bytemuck::cast(*block);
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
                // Four products of a half and a code fit 16 bits.
                let pairs = _mm256_add_epi16(
                    _mm256_maddubs_epi16(_mm256_and_si256(bytes, low), bytemuck::cast(*first)),
                    _mm256_maddubs_epi16(upper, bytemuck::cast(*second)),
                );
                sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, ones));
            }
            let lanes: [i32; 8] = bytemuck::cast(sum);
            *product = 16 * lanes.iter().sum::<i32>();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_gives_the_same_products() {
        for dim in [1, 2, 31, 50, 63, 64, 65, 127, 128, 129, 300, 1024] {
            let codes: Vec<i8> = (0..dim).map(|i| ((i * 7919) % 255) as u8 as i8).map(|code| code.max(-127)).collect();
            let rows: Vec<u8> = (0..9 * plane_len(dim)).map(|i| (i * 104_729 % 256) as u8).collect();
            let query = NibbleQuery::new(&codes);
            let mut expected = [0; 9];
            query.portable(&rows, &mut expected);
            for kernel in Kernel::available() {
                let mut found = [1; 9];
                query.multiply(kernel, &rows, &mut found);
                assert_eq!(found, expected, "{kernel:?}, {dim}");
            }
        }
    }
}
