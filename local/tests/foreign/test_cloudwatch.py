"""boto3 (AWS JSON 1.0) against the endpoint: metrics.

Run with AWS_ENDPOINT_URL set to a running endpoint that nobody else uses:
    pytest local/tests/foreign/test_cloudwatch.py
"""

import datetime
import itertools
import os

import boto3
import botocore.exceptions
import pytest

UTC = datetime.timezone.utc
# Ten minutes back, at a full minute: all of it is past.
START = datetime.datetime.now(UTC).replace(second=0, microsecond=0) - datetime.timedelta(minutes=10)
numbers = itertools.count()


@pytest.fixture(scope="session")
def client():
    url = os.environ.get("AWS_ENDPOINT_URL")
    if not url:
        pytest.skip("AWS_ENDPOINT_URL is not set")
    return boto3.client(
        "cloudwatch",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
    )


@pytest.fixture
def namespace():
    return f"Foreign{os.getpid()}/{next(numbers)}"


def minute(n):
    return START + datetime.timedelta(minutes=n)


def query(namespace, name, stat, period=60, query_id="q", dimensions=()):
    metric = {"Namespace": namespace, "MetricName": name, "Dimensions": list(dimensions)}
    return {"Id": query_id, "MetricStat": {"Metric": metric, "Period": period, "Stat": stat}}


def got(client, *queries, end=10, **more):
    return client.get_metric_data(
        MetricDataQueries=list(queries), StartTime=START, EndTime=minute(end), ScanBy="TimestampAscending", **more
    )


def code(error):
    return error.value.response["Error"]["Code"]


def test_boto3_speaks_json(client):
    assert client.meta.service_model.resolved_protocol == "json"


def test_values_come_back_with_their_time(client, namespace):
    for n in range(3):
        datum = {"MetricName": "m", "Timestamp": minute(n), "Value": n + 0.5, "Unit": "Count"}
        client.put_metric_data(Namespace=namespace, MetricData=[datum])
    answer = got(client, query(namespace, "m", "Sum"))
    (result,) = answer["MetricDataResults"]
    assert result["Timestamps"] == [minute(0), minute(1), minute(2)]
    assert result["Values"] == [0.5, 1.5, 2.5]
    assert (result["Label"], result["StatusCode"]) == ("m", "Complete")
    whole = got(client, query(namespace, "m", "Sum", period=600))
    assert whole["MetricDataResults"][0]["Values"] == [4.5]


def test_now_is_the_default_time(client, namespace):
    client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m", "Value": 1}])
    answer = got(client, query(namespace, "m", "SampleCount", period=3600), end=20)
    assert answer["MetricDataResults"][0]["Values"] == [1.0]


@pytest.mark.parametrize(
    "stat, value",
    [("p50", 50.0), ("p99.9", 100.0), ("tm90", 45.5), ("IQM", 50.5), ("TC(10:20)", 10.0), ("PR(:30)", 30.0)],
)
def test_percentiles(client, namespace, stat, value):
    datum = {"MetricName": "m", "Timestamp": START, "Values": list(range(1, 101)), "Unit": "Milliseconds"}
    client.put_metric_data(Namespace=namespace, MetricData=[datum])
    assert got(client, query(namespace, "m", stat))["MetricDataResults"][0]["Values"] == [value]
    statistics = client.get_metric_statistics(
        Namespace=namespace, MetricName="m", StartTime=START, EndTime=minute(1), Period=60, ExtendedStatistics=[stat]
    )
    (point,) = statistics["Datapoints"]
    assert point["ExtendedStatistics"] == {stat: value}
    assert (point["Timestamp"], point["Unit"]) == (START, "Milliseconds")


def test_counts_weigh_values(client, namespace):
    datum = {"MetricName": "m", "Timestamp": START, "Values": [1.0, 10.0], "Counts": [99, 1]}
    client.put_metric_data(Namespace=namespace, MetricData=[datum])
    queries = [query(namespace, "m", stat, query_id=f"q{n}") for n, stat in enumerate(["p99", "p100", "Average"])]
    results = got(client, *queries)["MetricDataResults"]
    assert [result["Values"] for result in results] == [[1.0], [10.0], [1.09]]
    assert [result["Label"] for result in results] == ["m p99", "m p100", "m Average"]


def test_statistic_sets(client, namespace):
    values = {"SampleCount": 4, "Sum": 10, "Minimum": 1, "Maximum": 4}
    client.put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": "m", "Timestamp": START, "StatisticValues": values}]
    )
    names = ["SampleCount", "Sum", "Minimum", "Maximum", "Average"]
    answer = client.get_metric_statistics(
        Namespace=namespace, MetricName="m", StartTime=START, EndTime=minute(1), Period=60, Statistics=names
    )
    (point,) = answer["Datapoints"]
    assert {name: point[name] for name in names} == values | {"Average": 2.5}
    assert got(client, query(namespace, "m", "p50"))["MetricDataResults"][0]["Values"] == []


def test_a_large_body_is_compressed_and_read(client, namespace):
    encodings = []
    client.meta.events.register(
        "before-send.cloudwatch.PutMetricData",
        lambda request, **_: encodings.append(request.headers.get("Content-Encoding")),
        unique_id="encodings",
    )
    data = [{"MetricName": f"metric-number-{n}", "Timestamp": START, "Value": n} for n in range(1000)]
    client.put_metric_data(Namespace=namespace, MetricData=data)
    client.meta.events.unregister("before-send.cloudwatch.PutMetricData", unique_id="encodings")
    assert [str(encoding).strip("b'") for encoding in encodings] == ["gzip"]
    result = got(client, query(namespace, "metric-number-999", "Sum"))["MetricDataResults"][0]
    assert result["Values"] == [999.0]


def test_pages_of_data(client, namespace):
    for name, count in [("a", 10), ("b", 4)]:
        for n in range(count):
            datum = {"MetricName": name, "Timestamp": minute(n), "Value": n}
            client.put_metric_data(Namespace=namespace, MetricData=[datum])
    pages = client.get_paginator("get_metric_data").paginate(
        MetricDataQueries=[query(namespace, name, "Sum", query_id=name) for name in "ab"],
        StartTime=START,
        EndTime=minute(10),
        PaginationConfig={"PageSize": 3},
    )
    joined = {"a": [], "b": []}
    sizes = []
    for page in pages:
        results = page["MetricDataResults"]
        sizes.append(sum(len(result["Values"]) for result in results))
        assert ("NextToken" in page) == any(result["StatusCode"] == "PartialData" for result in results)
        for result in results:
            joined[result["Id"]] += result["Values"]
    assert sizes == [3, 3, 3, 3, 2]
    # The newest come first unless asked otherwise.
    assert joined == {"a": list(range(9, -1, -1)), "b": list(range(3, -1, -1))}


def test_metrics_are_listed_in_pages(client, namespace):
    for start in range(0, 1200, 400):
        data = [
            {"MetricName": "m", "Value": 1, "Dimensions": [{"Name": "Number", "Value": str(n)}]}
            for n in range(start, start + 400)
        ]
        client.put_metric_data(Namespace=namespace, MetricData=data)
    pages = list(client.get_paginator("list_metrics").paginate(Namespace=namespace, RecentlyActive="PT3H"))
    assert [len(page["Metrics"]) for page in pages] == [500, 500, 200]
    values = {metric["Dimensions"][0]["Value"] for page in pages for metric in page["Metrics"]}
    assert len(values) == 1200
    filtered = client.list_metrics(Namespace=namespace, Dimensions=[{"Name": "Number", "Value": "7"}])
    (metric,) = filtered["Metrics"]
    assert metric == {"Namespace": namespace, "MetricName": "m", "Dimensions": [{"Name": "Number", "Value": "7"}]}


def test_errors_have_aws_codes(client, namespace):
    def put(**datum):
        return client.put_metric_data(Namespace=namespace, MetricData=[{"MetricName": "m"} | datum])

    with pytest.raises(client.exceptions.InvalidParameterCombinationException) as error:
        put(Value=1, Values=[1.0])
    assert code(error) == "InvalidParameterCombination"
    with pytest.raises(client.exceptions.InvalidParameterValueException) as error:
        put(Value=float("nan"))
    assert code(error) == "InvalidParameterValue"
    with pytest.raises(client.exceptions.MissingRequiredParameterException) as error:
        put()
    assert code(error) == "MissingParameter"
    with pytest.raises(client.exceptions.InvalidNextToken) as error:
        got(client, query(namespace, "m", "Sum"), NextToken="bogus")
    assert code(error) == "InvalidNextToken"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        got(client, {"Id": "e", "Expression": "1 + 1"})
    assert code(error) == "ValidationError"
    with pytest.raises(botocore.exceptions.ClientError) as error:
        client.describe_alarms()
    assert code(error) == "UnknownOperation"
