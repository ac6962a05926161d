"""`pipeline dead-letters list|show|redrive|purge`: what lies in the dead-letter queues, and what becomes of it.

``command`` is the entry; below it ``listing``, ``showing``, ``redrive_command`` and ``purge`` do one command each, all
upon one pass over a queue (``look``); ``redrive`` and ``move_task`` are the two ways to send messages back.

Guaranteed: a message leaves the dead letters only after its queue has accepted it (``redrive``) or because a person
asked for its end (``purge``). Whatever else a command receives is visible again when it ends. Dead-letter queues have
no dead-letter queue of their own, so that looking, however often, moves nothing; it raises the receive count.

Not guaranteed: that a message is redriven once. One whose process is killed between sending and deleting, or whose
queue's answer is lost, is sent again by the next run or try: twice is better than never, and every stage tolerates it.

Rights that the commands need (IAM), on the dead-letter queue: sqs:GetQueueAttributes, sqs:ReceiveMessage,
sqs:ChangeMessageVisibility; ``redrive`` and ``purge`` by filter also sqs:DeleteMessage; ``purge`` of everything
sqs:PurgeQueue in the place of the last three; ``redrive --by-server`` also sqs:StartMessageMoveTask,
sqs:ListMessageMoveTasks, sqs:CancelMessageMoveTask. On the queue that messages go back to: sqs:GetQueueAttributes,
sqs:SendMessage. On both, where they are found by name: sqs:GetQueueUrl. Where a queue is encrypted with a key of one's
own in KMS: kms:Decrypt and kms:GenerateDataKey.
"""
