"""How closely the shipped model imitates its formula."""
