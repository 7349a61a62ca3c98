//! Positions on the globe and the distance between them: the only place with fractions.
//!
//! Positions are kept in millionths of a degree (about 11 cm) and distances in whole metres, so
//! that they compare, hash and sort exactly.
#![expect(
    clippy::float_arithmetic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "great-circle distance is trigonometry; its result is rounded to whole metres"
)]

use serde::{Deserialize, Serialize};

/// Mean radius of the earth in metres (IUGG).
const EARTH_RADIUS_M: f64 = 6_371_008.8;

/// A point on the globe (WGS 84), written as `{ "lat": 10.85, "lon": 106.77 }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Degrees", into = "Degrees")]
pub struct Position {
    lat: i32,
    lon: i32,
}

/// Said of a latitude beyond ±90 or a longitude beyond ±180 degrees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position needs a latitude within ±90 and a longitude within ±180 degrees")]
pub struct OutOfRange;

#[derive(Serialize, Deserialize)]
struct Degrees {
    lat: f64,
    lon: f64,
}

impl Position {
    /// A position in degrees. `None` if it is not on the globe (or not a number).
    #[must_use]
    pub fn new(lat: f64, lon: f64) -> Option<Self> {
        let on_globe =
            lat.is_finite() && lon.is_finite() && lat.abs() <= 90.0 && lon.abs() <= 180.0;
        on_globe.then(|| Self {
            lat: (lat * 1e6).round() as i32,
            lon: (lon * 1e6).round() as i32,
        })
    }

    /// A position in millionths of a degree. `None` if it is not on the globe.
    #[must_use]
    pub fn from_microdegrees(lat: i32, lon: i32) -> Option<Self> {
        ((-90_000_000..=90_000_000).contains(&lat) && (-180_000_000..=180_000_000).contains(&lon))
            .then_some(Self { lat, lon })
    }

    /// Latitude in degrees.
    #[must_use]
    pub fn lat(self) -> f64 {
        f64::from(self.lat) / 1e6
    }

    /// Longitude in degrees.
    #[must_use]
    pub fn lon(self) -> f64 {
        f64::from(self.lon) / 1e6
    }

    /// Whole metres to `other` along a great circle (haversine).
    #[must_use]
    pub fn metres_to(self, other: Self) -> u32 {
        let (lat1, lat2) = (self.lat().to_radians(), other.lat().to_radians());
        let half_lat = ((lat2 - lat1) / 2.0).sin();
        let half_lon = ((other.lon() - self.lon()).to_radians() / 2.0).sin();
        let chord = half_lat * half_lat + lat1.cos() * lat2.cos() * half_lon * half_lon;
        // Rounding can push the chord of opposite points a hair over one.
        (2.0 * EARTH_RADIUS_M * chord.sqrt().min(1.0).asin()).round() as u32
    }
}

impl TryFrom<Degrees> for Position {
    type Error = OutOfRange;

    fn try_from(degrees: Degrees) -> Result<Self, OutOfRange> {
        Self::new(degrees.lat, degrees.lon).ok_or(OutOfRange)
    }
}

impl From<Position> for Degrees {
    fn from(position: Position) -> Self {
        Self {
            lat: position.lat(),
            lon: position.lon(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hanoi_to_ho_chi_minh_city_is_about_1140_km() {
        let hanoi = Position::new(21.0285, 105.8542).unwrap();
        let saigon = Position::new(10.7769, 106.7009).unwrap();
        let km = hanoi.metres_to(saigon) / 1_000;
        assert!((1_135..=1_150).contains(&km), "{km} km");
        assert_eq!(hanoi.metres_to(saigon), saigon.metres_to(hanoi));
        assert_eq!(hanoi.metres_to(hanoi), 0);
    }

    #[test]
    fn a_position_off_the_globe_is_refused() {
        assert_eq!(Position::new(91.0, 0.0), None);
        assert_eq!(Position::new(f64::NAN, 0.0), None);
        assert!(serde_json::from_str::<Position>(r#"{"lat":10.0,"lon":181.0}"#).is_err());
    }

    #[test]
    fn a_position_survives_json() {
        let position = Position::new(10.85, 106.77).unwrap();
        let json = serde_json::to_string(&position).unwrap();
        assert_eq!(json, r#"{"lat":10.85,"lon":106.77}"#);
        assert_eq!(serde_json::from_str::<Position>(&json).unwrap(), position);
    }
}
