//! Great-circle distance on a sphere.

use std::f64::consts::FRAC_PI_2;

use super::{Distance, Law, Metric, check_columns, same_length};
use crate::{Error, Scalar};

/// Great-circle distance of points given as (latitude, longitude) in radians.
///
/// ```text
/// h = sin²(Δφ/2) + cos φ₁ cos φ₂ sin²(Δλ/2) = sin²(Δφ/2) cos²(Δλ/2) + cos²φ̄ sin²(Δλ/2)
/// d = 2 r arcsin √h = 2 r atan2(√h, √(1 − h)),   1 − h = cos²(Δφ/2) cos²(Δλ/2) + sin²φ̄ sin²(Δλ/2)
/// ```
/// with latitudes `φ`, longitudes `λ` and `φ̄ = (φ₁ + φ₂)/2`: the haversine formula, with both it and its complement
/// as sums of squares in `f64`, so that near points and antipodes keep their digits alike.
///
/// Rows have two columns, latitudes are in `[−π/2, π/2]` (to the rounding of `π/2`) and longitudes are any finite
/// number: [`check`](Distance::check) refuses others.
///
/// A [`Metric`] on the sphere, a pseudometric on coordinates: longitudes a full turn apart, or any at a pole, are at
/// 0 up to rounding. With `Λ` the largest `|λ|`, at least `2π`:
/// ```text
/// d(a, c) ≤ (d(a, b) + d(b, c)) (1 + 16 ε) + 16 ε₆₄ Λ r
/// ```
///
/// # Examples
///
/// ```
/// use metric_core::{Distance, GreatCircle};
/// let earth = GreatCircle::new(6371.0)?; // kilometres
/// let quarter = std::f64::consts::FRAC_PI_2;
/// let pole_to_equator = earth.distance(&[quarter, 0.3], &[0.0, -2.0]);
/// assert!((pole_to_equator - 6371.0 * quarter).abs() < 1e-11);
/// assert_eq!(GreatCircle::unit().distance(&[0.0f64, 0.0], &[0.0, 1.0]), 1.0);
/// # Ok::<(), metric_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GreatCircle {
    radius: f64,
}

impl GreatCircle {
    /// Distances on the sphere of radius 1, thus angles in radians.
    pub const fn unit() -> Self {
        Self { radius: 1.0 }
    }

    /// Distances on the sphere of this radius, in its unit.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidParam`] unless `radius` is positive and finite.
    pub fn new(radius: f64) -> Result<Self, Error> {
        if radius > 0.0 && radius.is_finite() {
            Ok(Self { radius })
        } else {
            Err(Error::InvalidParam {
                name: "radius",
                expected: "positive and finite",
                got: radius,
            })
        }
    }

    /// The radius.
    pub fn radius(&self) -> f64 {
        self.radius
    }
}

impl Default for GreatCircle {
    fn default() -> Self {
        Self::unit()
    }
}

impl<T: Scalar> Distance<T> for GreatCircle {
    /// # Panics
    ///
    /// If the slices do not have two entries each.
    fn distance(&self, a: &[T], b: &[T]) -> T {
        same_length(a, b);
        assert_eq!(a.len(), 2, "points must be (latitude, longitude)");
        // Halved first, so that nothing overflows whatever the longitude.
        let half = |i: usize| (a[i].to_f64() / 2.0, b[i].to_f64() / 2.0);
        let ((a_latitude, b_latitude), (a_longitude, b_longitude)) = (half(0), half(1));
        let (latitude_sin, latitude_cos) = (a_latitude - b_latitude).sin_cos();
        let (mean_sin, mean_cos) = (a_latitude + b_latitude).sin_cos();
        let (longitude_sin, longitude_cos) = (a_longitude - b_longitude).sin_cos();
        let near = (latitude_sin * longitude_cos).hypot(mean_cos * longitude_sin);
        let far = (latitude_cos * longitude_cos).hypot(mean_sin * longitude_sin);
        T::from_f64(2.0 * self.radius * near.atan2(far))
    }
    fn law(&self) -> Law {
        Law::Pseudometric
    }
    fn check(&self, row: &[T]) -> Result<(), Error> {
        let name = "great-circle";
        check_columns(name, "2 columns, latitude and longitude", 2, row)?;
        let latitude = row[0];
        if latitude <= T::from_f64(FRAC_PI_2) && latitude >= T::from_f64(-FRAC_PI_2) {
            return Ok(());
        }
        Err(Error::OutOfDomain {
            distance: name,
            expected: "a latitude in [-pi/2, pi/2] radians",
            row: None,
            column: Some(0),
            got: latitude.to_f64(),
        })
    }
}

impl<T: Scalar> Metric<T> for GreatCircle {
    /// The absolute part grows with the longitudes, which are not known here.
    fn triangle_slack(&self, _dim: usize) -> (f64, f64) {
        (f64::INFINITY, 0.0)
    }
}
