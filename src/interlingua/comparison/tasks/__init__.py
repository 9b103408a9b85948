"""Tasks on which fusions are compared, each with a structure that is known; one per file."""

TABLE = {
    "complement": "interlingua.comparison.tasks.complement:Complement",
    "complement_digits": "interlingua.comparison.tasks.digits:ComplementDigits",
    "redundancy": "interlingua.comparison.tasks.redundancy:Redundancy",
    "synergy": "interlingua.comparison.tasks.synergy:Synergy",
    "table": "interlingua.comparison.tasks.table:Table",
}
