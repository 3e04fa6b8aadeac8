//! Named values in a fixed order: one configuration, or the declaration of a space.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

/// One configuration: the value of each dimension, in the order of the space. In JSON an object.
///
/// `serde_json`'s own map would sort the names; people gave them an order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters(Vec<(String, Value)>);

impl Parameters {
    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Names and values, in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(String, Value)> for Parameters {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(pairs: T) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl IntoIterator for Parameters {
    type Item = (String, Value);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// As people read it: `units=32 learning_rate=0.001`.
impl fmt::Display for Parameters {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        for (index, (name, value)) in self.iter().enumerate() {
            write!(formatter, "{}{name}={}", if index == 0 { "" } else { " " }, plain(value))?;
        }
        Ok(())
    }
}

/// A value as people write it: text without quotation marks.
#[must_use]
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Serialize for Parameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Parameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Parameters;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("an object of names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parameters, A::Error> {
                let mut pairs = Parameters::default();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if pairs.get(&name).is_some() {
                        return Err(serde::de::Error::custom(format!("{name} is given twice")));
                    }
                    pairs.0.push((name, value));
                }
                Ok(pairs)
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_order_of_names_survives_json() {
        let text = r#"{"units":32,"learning_rate":0.001,"activation":"relu"}"#;
        let parameters: Parameters = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&parameters).unwrap(), text);
        assert_eq!(parameters.to_string(), "units=32 learning_rate=0.001 activation=relu");
        assert_eq!(parameters.get("learning_rate"), Some(&json!(0.001)));
        assert_eq!(parameters.get("nothing"), None);
    }

    #[test]
    fn a_name_given_twice_is_an_error() {
        let error = serde_json::from_str::<Parameters>(r#"{"units":1,"units":2}"#).unwrap_err();
        assert!(error.to_string().contains("units is given twice"), "{error}");
    }
}
