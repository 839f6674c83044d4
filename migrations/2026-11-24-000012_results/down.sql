DROP TABLE official_totals, official_results, result_sets;
