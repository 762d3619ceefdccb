-- Receives batches of 10 messages and deletes each batch. With REFILL=1 it sends as many again after each delete, so
-- that the depth of the queue stays. At the end it prints how many messages were deleted.
local url = os.getenv("QUEUE_URL")
local headers = { ["Content-Type"] = "application/x-amz-json-1.0" }
local target = "X-Amz-Target"
local receive
local refill
-- Requests that are still to be sent.
local pending = {}
local threads = {}
-- Globals, so that done() can read them.
deleted = 0
empty = 0
refused = 0
sent = 0

function setup(thread)
  threads[#threads + 1] = thread
end

function init()
  headers[target] = "AmazonSQS.ReceiveMessage"
  receive = wrk.format("POST", "/", headers, '{"QueueUrl":"' .. url .. '","MaxNumberOfMessages":10,"WaitTimeSeconds":1}')
  if os.getenv("REFILL") == "1" then
    local entries = {}
    for i = 1, 10 do
      entries[i] = string.format('{"Id":"%d","MessageBody":"%s"}', i, string.rep("x", 256))
    end
    headers[target] = "AmazonSQS.SendMessageBatch"
    refill = wrk.format("POST", "/", headers, '{"QueueUrl":"' .. url .. '","Entries":[' .. table.concat(entries, ",") .. "]}")
  end
  headers[target] = "AmazonSQS.DeleteMessageBatch"
end

function request()
  local count = #pending
  if count == 0 then
    return receive
  end
  local request = pending[count]
  pending[count] = nil
  return request
end

function response(status, _, body)
  if status ~= 200 then
    refused = refused + 1
    return
  end
  if body:sub(1, 11) == '{"Messages"' then
    local entries, count = {}, 0
    for handle in body:gmatch('"ReceiptHandle":"([^"]+)"') do
      count = count + 1
      entries[count] = '{"Id":"' .. count .. '","ReceiptHandle":"' .. handle .. '"}'
    end
    if refill then
      pending[#pending + 1] = refill
    end
    local delete = '{"QueueUrl":"' .. url .. '","Entries":[' .. table.concat(entries, ",") .. "]}"
    pending[#pending + 1] = wrk.format("POST", "/", headers, delete)
  elseif body:find('"MD5OfMessageBody"', 1, true) then
    sent = sent + 1
  elseif body:sub(1, 13) == '{"Successful"' then
    local _, count = body:gsub('"Id"', "")
    deleted = deleted + count
  else
    empty = empty + 1
  end
end

function done(summary)
  local sum = { deleted = 0, empty = 0, refused = 0 }
  for _, thread in ipairs(threads) do
    for name, value in pairs(sum) do
      sum[name] = value + thread:get(name)
    end
  end
  local seconds = summary.duration / 1e6
  io.write(string.format("received and deleted: %d in %.2f s = %.0f/s (empty %d, refused %d)\n",
    sum.deleted, seconds, sum.deleted / seconds, sum.empty, sum.refused))
end
