#!/usr/bin/env python3
"""Turns the Online Retail data set into place-order bodies, one invoice a line.

    to_jsonl.py online-retail-2010-12.csv > orders.jsonl

The file is Latin-1 CSV, one line per article sold, times in London, prices in pounds. Invoices
keep the order of the file, and so do their lines, repeated ones too. An invoice whose number
starts with C is a RETURN, every other a SALE; stock corrections (negative quantities without the
C) stay what they are and will be refused. Nothing is dropped and nothing is repaired.
"""
import csv
import datetime
import decimal
import json
import sys
import zoneinfo

LONDON = zoneinfo.ZoneInfo("Europe/London")


def pence(text, row_number):
    amount = decimal.Decimal(text) * 100
    if amount != amount.to_integral_value():
        sys.exit(f"line {row_number}: the price {text} has more than two decimals")
    return int(amount)


def utc(text):
    """12/1/10 8:26, month first, in London, as RFC 3339 in UTC."""
    date, clock = text.split(" ")
    month, day, year = (int(part) for part in date.split("/"))
    hour, minute = (int(part) for part in clock.split(":"))
    year += 2000 if year < 100 else 0
    local = datetime.datetime(year, month, day, hour, minute, tzinfo=LONDON)
    return local.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def order_line(row, row_number):
    line = {"sku": row["StockCode"]}
    if row["Description"]:
        line["name"] = row["Description"]
    line["quantity"] = int(row["Quantity"])
    line["unitPriceMinor"] = pence(row["UnitPrice"], row_number)
    return line


def order_head(row):
    order = {}
    if row["CustomerID"]:
        order["customerId"] = row["CustomerID"]
    order["source"] = "IMPORT"
    order["kind"] = "RETURN" if row["InvoiceNo"].startswith("C") else "SALE"
    order["currency"] = "GBP"
    order["placedAt"] = utc(row["InvoiceDate"])
    order["lines"] = []
    return order


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: to_jsonl.py FILE.csv > orders.jsonl")
    orders = {}
    with open(sys.argv[1], encoding="latin-1", newline="") as file:
        rows = csv.DictReader(file)
        for row in rows:
            if row["InvoiceNo"] not in orders:
                orders[row["InvoiceNo"]] = order_head(row)
            orders[row["InvoiceNo"]]["lines"].append(order_line(row, rows.line_num))
    sys.stdout.reconfigure(encoding="utf-8")
    for order in orders.values():
        print(json.dumps(order, ensure_ascii=False, separators=(",", ":")))


if __name__ == "__main__":
    main()
