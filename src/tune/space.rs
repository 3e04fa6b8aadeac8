//! The space that a study searches.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Dimension, Parameters};
use crate::error::{AppError, AppResult};

/// Named dimensions in their order, at least one. In JSON an object:
/// `{"units":{"type":"integer","min":16,"max":512,"step":16},"learning_rate":{"type":"choice","values":[0.001,0.01]}}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    dimensions: Vec<(String, Dimension)>,
}

/// So many dimensions at most.
const DIMENSIONS: usize = 32;

impl Space {
    /// Reads a declaration: names, each with an object as above.
    ///
    /// # Errors
    /// [`AppError::Invalid`] whose field is the path of what is wrong, as in `space.units.step`.
    pub fn declared(declaration: Parameters) -> AppResult<Self> {
        if declaration.is_empty() || declaration.len() > DIMENSIONS {
            return Err(AppError::invalid("space", format!("expected 1 to {DIMENSIONS} hyperparameters")));
        }
        let read = |(name, value): (String, Value)| {
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(AppError::invalid("space", format!("{name:?} is no name: expected letters, digits and underscores")));
            }
            let dimension = Dimension::declared(&value, &format!("space.{name}"))?;
            Ok((name, dimension))
        };
        Ok(Self { dimensions: declaration.into_iter().map(read).collect::<AppResult<_>>()? })
    }

    /// Names and dimensions, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Dimension)> {
        self.dimensions.iter().map(|(name, dimension)| (name.as_str(), dimension))
    }

    /// The dimension of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Dimension> {
        self.dimensions.iter().find(|(known, _)| known == name).map(|(_, dimension)| dimension)
    }

    /// How many dimensions there are; at least 1.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.dimensions.len()
    }

    /// How many configurations there are; `None` when they can't be counted, or only beyond 64 bits.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.iter().try_fold(1_u64, |size, (_, dimension)| size.checked_mul(dimension.levels()?))
    }

    /// The configuration of this index below [`Self::size`]; the last dimension runs fastest.
    #[must_use]
    pub fn at(&self, index: u64) -> Parameters {
        let mut rest = index;
        let mut values: Vec<(String, Value)> = Vec::with_capacity(self.dimensions());
        for (name, dimension) in self.dimensions.iter().rev() {
            let levels = dimension.levels().unwrap_or(1);
            values.push((name.clone(), dimension.level(rest % levels)));
            rest /= levels;
        }
        values.into_iter().rev().collect()
    }

    /// The index of a configuration; `None` when it is none of this space's, or these can't be counted.
    #[must_use]
    pub fn index(&self, parameters: &Parameters) -> Option<u64> {
        self.size()?;
        let named = |name: &str| parameters.get(name);
        self.iter().try_fold(0, |index, (name, dimension)| Some(index * dimension.levels()? + dimension.index(named(name)?)?))
    }

    /// The configuration at shares of the way through each dimension, from 0 to 1, in their order.
    #[must_use]
    pub fn value_at(&self, shares: &[f64]) -> Parameters {
        self.dimensions.iter().zip(shares).map(|((name, dimension), &share)| (name.clone(), dimension.value_at(share))).collect()
    }

    /// A configuration's place in the unit cube; along a dimension without order, the index of the choice.
    ///
    /// `None` when it is none of this space's.
    #[must_use]
    pub fn place(&self, parameters: &Parameters) -> Option<Vec<f64>> {
        self.iter()
            .map(|(name, dimension)| {
                let value = parameters.get(name)?;
                if dimension.contains(value) { dimension.place(value) } else { None }
            })
            .collect()
    }

    /// The same space with its dimensions in the order of `names`; those not named come last.
    #[must_use]
    pub fn in_order(mut self, names: &[String]) -> Self {
        self.dimensions.sort_by_key(|(name, _)| names.iter().position(|known| known == name).unwrap_or(usize::MAX));
        self
    }

    /// Which dimensions have an order: near places are near there, elsewhere they are equal or not.
    #[must_use]
    pub fn ordered(&self) -> Vec<bool> {
        self.iter().map(|(_, dimension)| dimension.order().is_some()).collect()
    }
}

impl Serialize for Space {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Space {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::declared(Parameters::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub const REPORTED: &str = r#"{"units":{"type":"integer","min":16,"max":512,"step":16},"learning_rate":{"type":"choice","values":[0.0001,0.0005,0.001,0.005,0.01]}}"#;

    fn space(text: &str) -> Space {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_space_survives_json_in_its_order() {
        assert_eq!(serde_json::to_string(&space(REPORTED)).unwrap(), REPORTED);
        let floats = r#"{"b":{"type":"float","min":0.1,"max":1.0,"scale":"log"},"a":{"type":"float","min":0.0,"max":1.0,"step":0.5}}"#;
        assert_eq!(serde_json::to_string(&space(floats)).unwrap(), floats);
    }

    #[test]
    fn every_index_is_one_configuration_and_back() {
        let space = space(REPORTED);
        assert_eq!(space.size(), Some(160));
        assert_eq!(space.at(7).to_string(), "units=32 learning_rate=0.001");
        for index in 0..160 {
            assert_eq!(space.index(&space.at(index)), Some(index));
        }
        let foreign: Parameters = serde_json::from_str(r#"{"units":33,"learning_rate":0.001}"#).unwrap();
        assert_eq!((space.index(&foreign), space.place(&foreign)), (None, None));
    }

    #[test]
    fn spaces_that_cannot_be_counted_have_no_size() {
        assert_eq!(space(r#"{"a":{"type":"float","min":0,"max":1}}"#).size(), None);
        let vast = r#"{"type":"integer","min":0,"max":4000000000000}"#;
        assert_eq!(space(&format!(r#"{{"a":{vast},"b":{vast}}}"#)).size(), None);
        assert_eq!(space(&format!(r#"{{"a":{vast}}}"#)).size(), Some(4_000_000_000_001));
    }

    #[test]
    fn a_fault_is_named_by_its_path() {
        let declared = |text: &str| Space::declared(serde_json::from_str(text).unwrap()).unwrap_err().to_string();
        assert_eq!(declared(r#"{"units":{"type":"integer","min":1,"max":9,"step":0}}"#), "space.units.step: expected 1 or more");
        assert!(declared("{}").starts_with("space: "));
        assert!(declared(r#"{"a b":{"type":"integer","min":1,"max":9}}"#).starts_with("space: "));
    }
}
