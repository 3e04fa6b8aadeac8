# What surrounds every page.

skip-to-content = Skip to the content
nav-label = Sections
nav-overview = Overview
nav-words = Words
nav-triplet = Triplet network
nav-skin = Skin lesions
nav-fashion = Tuned MLP
nav-report = Report
nav-runs = Runs
nav-runs-active = at work
nav-datasets = Data sets
nav-api = API
preferences-label = Language and colours
language-label = Language
theme-label = Colours
theme-system = System
theme-light = Light
theme-dark = Dark
footer-note = Every number on these pages is computed by this program or quoted from the course report, and says which.

error-400 = This request can’t be understood
error-401 = Sign in first
error-403 = Not with your role
error-404 = Nothing is here
error-405 = Not in this way
error-408 = That took too long
error-409 = Not as things stand
error-413 = That is too large
error-415 = That is not the kind of content expected
error-421 = Not under this name
error-422 = Something in the request can’t be used
error-429 = Too often
error-500 = Something went wrong
error-503 = Not at the moment
error-suggestions = Near spellings:
error-home = To the overview
date-moment = { $day } { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
} { $year }, { $time } UTC
