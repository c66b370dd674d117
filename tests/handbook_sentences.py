"""A made-up handbook that several tests read."""

HANDBOOK = {
    "leave": "Parents may take twenty weeks of paid leave after a birth or an adoption.",
    "travel": "Book trains in second class and keep every receipt until the refund has arrived.",
    "laptop": "A lost laptop is reported to the service desk within one hour of the loss.",
    "badge": "Visitors wear a yellow badge and are met at the reception by their host.",
    "kitchen": "Whoever empties the coffee machine fills the beans and rinses the tray.",
    "password": "A password is changed once a year and is never written on paper.",
    "salary": "Salaries are paid on the last working day of each month by bank transfer.",
    "parking": "Bicycles stand in the cellar while cars need a permit for the courtyard.",
    "training": "Every colleague has five days a year for courses and conferences.",
    "sickness": "Call your team lead before nine on the first day of an illness.",
    "pension": "The company doubles what you pay into the pension plan up to four percent.",
    "meeting": "Meetings end five minutes before the hour so that nobody is late.",
}
"""Twelve short passages of a made-up handbook, by topic."""
