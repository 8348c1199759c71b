"""Any workers held against published moments of people's labor supply: `econjax people`."""
