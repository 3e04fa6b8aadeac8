//! Typed numbers with five faces: in the page, SVG, PNG, CSV and JSON. No I/O.
