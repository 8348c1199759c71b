"""What each table of persona data says of itself: its figures, their units and their source."""

_CPS = (
    "BLS, Current Population Survey, annual averages 2024 (cpsa2024.xlsx, "
    "https://www.bls.gov/cps/tables.htm)"
)
_OEWS = (
    "BLS, Occupational Employment and Wage Statistics, May 2024, national (national_M2024_dl.xlsx)"
)
_EP = "BLS, Employment Projections 2024-34, table 1.2 (occupation.xlsx)"
_WAGES_SOURCE = (
    f"wage_p10, wage_p50, wage_p90: {_OEWS}, annual wages, dollars. A p90 above the highest wage "
    "printed is",
    "replaced by p50^2 / p10, as far from the median as the p10 is.",
    f"entry: {_EP}, typical entry education as a level of education.csv, 0 the lowest.",
    "self_employed_percent: the same table, of all jobs, a dash as 0; of a group by its jobs.",
)
GROUPS_SOURCE = (
    "Major groups of occupations of employed people in the United States, 2024.",
    f"employed, women_percent: {_CPS}, table 11, thousands and per cent.",
    "weekly, weekly_men, weekly_women: table 39, median usual weekly earnings of full-time wage "
    "and salary",
    "workers, dollars.",
    *_WAGES_SOURCE,
    "The entry level of a group is that of most of its jobs. hours_group: the row of "
    "hours_by_group.csv.",
)
OCCUPATIONS_SOURCE = (
    "Detailed occupations of employed people in the United States, 2024.",
    f"employed, women_percent: {_CPS}, table 11, thousands and per cent; age_*: table 11b, "
    "thousands.",
    "weekly_men, weekly_women: table 39, median usual weekly earnings of full-time wage and "
    "salary workers,",
    "dollars.",
    *_WAGES_SOURCE,
    "Wages and entry are those of the occupation of the same title. borrowed: figures that are "
    "not published",
    "for the occupation and are its major group's; where the occupation's own median is "
    "published, borrowed",
    "earnings of a sex are that median times the group's ratio of the sex to both.",
)
HOURS_BY_GROUP_SOURCE = (
    f"Hours at work by group of occupations and sex. {_CPS}, table 23.",
    "at_work: thousands; part_time: thousands at work 1 to 34 hours for economic reasons, or for "
    "others who",
    "usually work part time; full_time_hours: average weekly hours of those who usually work full "
    "time.",
)
HOURS_SOURCE = (
    f"People at work by weekly hours, first to last, thousands. {_CPS}, table 19: actual hours in "
    "all jobs.",
)
AGES_SOURCE = (f"Employed people by sex and age, first to last year, thousands. {_CPS}, table 3.",)
PART_TIME_SOURCE = (
    f"Employed people by sex, age and usual full- or part-time status, thousands. {_CPS}, table 8.",
)
EARNINGS_SOURCE = (
    "Median usual weekly earnings of wage and salary workers by sex and age, dollars.",
    f"{_CPS}, tables 37, 38 and 54.",
)
EDUCATION_SOURCE = (
    "Education of people of 25 and over. employed: thousands of employed people. weekly: median "
    "usual weekly",
    f"earnings of full-time wage and salary workers, dollars. {_CPS}, tables 7 and 54.",
)
STATES_SOURCE = (
    "Employed people by state, mean of the 12 months of 2024, seasonally adjusted.",
    "BLS, Local Area Unemployment Statistics (ststdsadata.xlsx).",
)
