-- Sends batches of 10 messages of 256 bytes to the queue that QUEUE_URL names.
local url = os.getenv("QUEUE_URL")
local body = string.rep("x", 256)
local entries = {}
for i = 1, 10 do
  entries[i] = string.format('{"Id":"%d","MessageBody":"%s"}', i, body)
end
local json = string.format('{"QueueUrl":"%s","Entries":[%s]}', url, table.concat(entries, ","))

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/x-amz-json-1.0"
wrk.headers["X-Amz-Target"] = "AmazonSQS.SendMessageBatch"
wrk.body = json
