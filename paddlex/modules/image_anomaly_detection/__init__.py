"""Image anomaly detection by student-teacher feature matching: data set, networks, training, evaluation, export."""
