"""The three services as real processes on a road that tests break: kills, outages of the queues and of the model.

``road`` builds it and ``scenarios`` break it. What counts is read from witnesses that stand beside the services: the
simulator's ledger of what X has sent, the model endpoint's of what was judged, a subscriber of the topic, and one
``HttpProxy`` for each service, with the ``QueueBooks`` of what the queues have handed out to it.
"""
